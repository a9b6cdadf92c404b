/** The catalog's HTTP interface, and the function's entry point. */

import { Logger } from '@aws-lambda-powertools/logger';
import { Api, type Call, conflict, notFound, Problem, readBody, readQuery, type Reply } from '@shop/http';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';

import { DynamoProducts } from './dynamo.js';
import { create, edit, NewProduct, type Product, ProductChange, ProductQuery, ProductText, StockChange } from './model.js';
import { ChangedMeanwhileError, OutOfStockError, type Products } from './repository.js';

const logger = new Logger({ serviceName: 'catalog_service' });

/** Built at the first request, once per container: loading this module needs no environment. */
let api: Api | undefined;

export async function handler(event: APIGatewayProxyEvent, context: Context): Promise<APIGatewayProxyResult> {
  logger.addContext(context);
  api ??= createApp(DynamoProducts.fromEnvironment());
  return api.resolve(event, context);
}

/** Connect the routes of service.toml with a store of products. */
export function createApp(products: Products): Api {
  return new Api({
    service: 'catalog_service',
    health: '/catalog/health',
    deepCheck: () => products.check(),
    logger,
    explain,
  })
    .on('POST /catalog', async ({ event }) => {
      const product = create(readBody(event, NewProduct));
      await products.add(product);
      logger.info('product created', { product_id: product.id });
      return { status: 201, body: product, headers: { Location: `/catalog/${product.id}` } };
    })
    .on('GET /catalog', async ({ event }) => {
      const query = readQuery(event, ProductQuery);
      const { entries, cursor } = await products.page(query.limit, query.cursor);
      return { status: 200, body: { products: entries, cursor } };
    })
    .on('GET /catalog/{id}', async (call) => ok(await known(products, call)))
    .on('PUT /catalog/{id}', async (call) => {
      const product = await known(products, call);
      return ok(await products.edit(edit(product, readBody(call.event, ProductText))));
    })
    .on('PATCH /catalog/{id}', async (call) => {
      const product = await known(products, call);
      return ok(await products.edit(edit(product, readBody(call.event, ProductChange))));
    })
    .on('DELETE /catalog/{id}', async (call) => {
      if (!(await products.remove(idOf(call)))) {
        throw unknown();
      }
      logger.info('product deleted', { product_id: idOf(call) });
      return { status: 204 };
    })
    .on('POST /catalog/{id}/stock', async (call) => {
      const product = await products.restock(idOf(call), readBody(call.event, StockChange).change);
      if (product === undefined) {
        throw unknown();
      }
      return ok(product);
    });
}

const ok = (body: Product): Reply => ({ status: 200, body });

const unknown = (): Problem => notFound('There is no product with this id.');

const idOf = ({ path }: Call): string => path['id'] ?? '';

async function known(products: Products, call: Call): Promise<Product> {
  const product = await products.get(idOf(call));
  if (product === undefined) {
    throw unknown();
  }
  return product;
}

function explain(error: unknown): Problem | undefined {
  if (error instanceof ChangedMeanwhileError) {
    return conflict('Somebody else changed this product at the same moment; read it again.', 'changed-meanwhile');
  }
  if (error instanceof OutOfStockError) {
    return conflict('There is less in stock than that.', 'out-of-stock');
  }
  return undefined;
}
