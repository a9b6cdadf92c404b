/** Products in a map: the port `Products` for tests and for trying things out. */

import { fromCursor, type Page, toCursor } from '@shop/http';

import type { Product } from './model.js';
import { ChangedMeanwhileError, OutOfStockError, type Products } from './repository.js';

export class InMemoryProducts implements Products {
  reachable = true;
  private readonly products = new Map<string, Product>();

  async add(product: Product): Promise<void> {
    this.products.set(product.id, product);
  }

  async get(id: string): Promise<Product | undefined> {
    return this.products.get(id);
  }

  async page(limit: number, cursor: string | undefined): Promise<Page<Product>> {
    const after = fromCursor(cursor, ['id'])?.['id'] ?? '';
    const rest = [...this.products.values()].filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1));
    const last = rest.length > limit ? rest[limit - 1] : undefined;
    return { entries: rest.slice(0, limit), cursor: toCursor(last && { id: last.id }) };
  }

  async edit(product: Product): Promise<Product> {
    const stored = this.products.get(product.id);
    if (stored?.version !== product.version - 1) {
      throw new ChangedMeanwhileError();
    }
    return this.keep({ ...product, stock: stored.stock });
  }

  async restock(id: string, change: number): Promise<Product | undefined> {
    const stored = this.products.get(id);
    if (stored === undefined) {
      return undefined;
    }
    if (stored.stock + change < 0) {
      throw new OutOfStockError();
    }
    return this.keep({ ...stored, stock: stored.stock + change });
  }

  async remove(id: string): Promise<boolean> {
    return this.products.delete(id);
  }

  async check(): Promise<void> {
    if (!this.reachable) {
      throw new Error('the store is away');
    }
  }

  private keep(product: Product): Product {
    this.products.set(product.id, product);
    return product;
  }
}
