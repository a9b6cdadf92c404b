/** What a product is, and what callers may send and get. Money is in cents, times are UTC. */

import { randomUUID } from 'node:crypto';

import * as z from 'zod';

const name = z.string().trim().min(1).max(200);
const description = z.string().trim().max(4000);
const priceCents = z.int().min(0).max(100_000_000);
const stock = z.int().min(0).max(1_000_000);

/** The body of POST /catalog. */
export const NewProduct = z.strictObject({
  name,
  description: description.default(''),
  price_cents: priceCents,
  stock: stock.default(0),
});
export type NewProduct = z.output<typeof NewProduct>;

/** The body of PUT: stock is not among it, because orders change it at the same time. */
export const ProductText = z.strictObject({ name, description: description.default(''), price_cents: priceCents });

/** The body of PATCH: what is left out stays as it is. */
export const ProductChange = z
  .strictObject({ name: name.optional(), description: description.optional(), price_cents: priceCents.optional() })
  .refine((change) => Object.values(change).some((value) => value !== undefined), {
    error: 'say what to change: name, description or price_cents',
  });

/** The body of POST /catalog/{id}/stock: how many came in, or (below zero) went out. */
export const StockChange = z.strictObject({
  change: z
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .refine((change) => change !== 0, { error: 'zero changes nothing' }),
});

/** The query string of GET /catalog. */
export const ProductQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,3}$/, { error: 'this is not a number' })
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .default(25),
  cursor: z.string().max(2048).optional(),
});

/** A product; `version` counts changes of its text, so that two editors cannot overwrite each other unseen. */
export const Product = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  price_cents: z.int(),
  stock: z.int(),
  created_at: z.string(),
  updated_at: z.string(),
  version: z.int(),
});
export type Product = z.output<typeof Product>;

/** What an editor may change. */
export interface Edit {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly price_cents?: number | undefined;
}

/** Make a new product. */
export function create(wanted: NewProduct): Product {
  const now = new Date().toISOString();
  return { id: randomUUID(), ...wanted, created_at: now, updated_at: now, version: 1 };
}

/** The product with an edit made, one version on. */
export function edit(product: Product, wanted: Edit): Product {
  return {
    ...product,
    name: wanted.name ?? product.name,
    description: wanted.description ?? product.description,
    price_cents: wanted.price_cents ?? product.price_cents,
    updated_at: new Date().toISOString(),
    version: product.version + 1,
  };
}
