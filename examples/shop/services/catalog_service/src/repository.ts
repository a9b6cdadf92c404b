/** Where products are kept: the port, and what can go wrong. */

import type { Page } from '@shop/http';

import type { Product } from './model.js';

/** Somebody else changed or deleted the product since it was read. */
export class ChangedMeanwhileError extends Error {
  override readonly name = 'ChangedMeanwhileError';
}

/** There is less stock than was to be taken. */
export class OutOfStockError extends Error {
  override readonly name = 'OutOfStockError';
}

export interface Products {
  /** Add a new product. */
  add(product: Product): Promise<void>;
  /** The product, or undefined. */
  get(id: string): Promise<Product | undefined>;
  /** Up to `limit` products; throws a Problem for a cursor that is none. */
  page(limit: number, cursor: string | undefined): Promise<Page<Product>>;
  /** Store the text of `product`, whose version is one above the stored one; its stock stays as it is. */
  edit(product: Product): Promise<Product>;
  /** Add to the stock, or take from it; undefined when there is no such product. Throws OutOfStockError. */
  restock(id: string, change: number): Promise<Product | undefined>;
  /** Forget a product; false when there is none. */
  remove(id: string): Promise<boolean>;
  /** Touch the store, and fail when it cannot be reached. */
  check(): Promise<void>;
}
