import assert from 'node:assert/strict';
import { test } from 'node:test';

import { caller } from '@shop/http/testing';

import { createApp } from '../src/app.js';
import { InMemoryProducts } from '../src/in-memory.js';
import { create, edit } from '../src/model.js';
import { ChangedMeanwhileError } from '../src/repository.js';

const TEA = { name: 'Tea', price_cents: 450, stock: 5 };

function shop() {
  const products = new InMemoryProducts();
  const app = createApp(products);
  return { products, call: caller((event, context) => app.resolve(event, context)) };
}

test('a new product can be fetched where Location says', async () => {
  const { call } = shop();
  const created = await call('POST', '/catalog', TEA);
  assert.equal(created.status, 201);
  assert.deepEqual([created.json.stock, created.json.description, created.json.version], [5, '', 1]);
  assert.deepEqual((await call('GET', created.headers['location'] ?? '')).json, created.json);
});

test('pages cover every product once', async () => {
  const { call } = shop();
  for (let n = 0; n < 5; n += 1) {
    await call('POST', '/catalog', { ...TEA, name: `Tea ${n}` });
  }
  const seen: string[] = [];
  let url = '/catalog?limit=2';
  for (;;) {
    const page = (await call('GET', url)).json;
    seen.push(...page.products.map(({ name }: { name: string }) => name));
    if (page.cursor === null) break;
    url = `/catalog?limit=2&cursor=${page.cursor}`;
  }
  assert.deepEqual(seen.sort(), ['Tea 0', 'Tea 1', 'Tea 2', 'Tea 3', 'Tea 4']);
});

test('an edit changes the text and leaves the stock alone', async () => {
  const { call } = shop();
  const { id } = (await call('POST', '/catalog', { ...TEA, description: 'Black' })).json;
  const patched = (await call('PATCH', `/catalog/${id}`, { price_cents: 500 })).json;
  assert.deepEqual([patched.price_cents, patched.description, patched.stock, patched.version], [500, 'Black', 5, 2]);
  const replaced = (await call('PUT', `/catalog/${id}`, { name: 'Tea', price_cents: 500 })).json;
  assert.deepEqual([replaced.description, replaced.stock, replaced.version], ['', 5, 3]);
});

test('two editors cannot overwrite each other unseen', async () => {
  const products = new InMemoryProducts();
  const tea = create({ ...TEA, description: '' });
  await products.add(tea);
  await products.edit(edit(tea, { name: 'Green tea' }));
  await assert.rejects(products.edit(edit(tea, { name: 'Black tea' })), ChangedMeanwhileError);
});

test('stock goes up and down, and never below nothing', async () => {
  const { call } = shop();
  const { id } = (await call('POST', '/catalog', TEA)).json;
  assert.equal((await call('POST', `/catalog/${id}/stock`, { change: 3 })).json.stock, 8);
  assert.equal((await call('POST', `/catalog/${id}/stock`, { change: -8 })).json.stock, 0);
  const refused = await call('POST', `/catalog/${id}/stock`, { change: -1 });
  assert.deepEqual([refused.status, refused.json.type], [409, 'urn:shop:problem:out-of-stock']);
});

test('a deleted product is gone', async () => {
  const { call } = shop();
  const { id } = (await call('POST', '/catalog', TEA)).json;
  assert.equal((await call('DELETE', `/catalog/${id}`)).status, 204);
  for (const [method, path, body] of [
    ['GET', `/catalog/${id}`, undefined],
    ['DELETE', `/catalog/${id}`, undefined],
    ['PUT', `/catalog/${id}`, { name: 'Tea', price_cents: 1 }],
    ['POST', `/catalog/${id}/stock`, { change: 1 }],
  ] as const) {
    assert.equal((await call(method, path, body)).status, 404, `${method} ${path}`);
  }
});

for (const [body, pointer] of [
  [{ name: 'Tea' }, '#/price_cents'],
  [{ name: ' ', price_cents: 1 }, '#/name'],
  [{ name: 'Tea', price_cents: -1 }, '#/price_cents'],
  [{ name: 'Tea', price_cents: 4.5 }, '#/price_cents'],
  [{ name: 'Tea', price_cents: '450' }, '#/price_cents'],
  [{ ...TEA, stock: -1 }, '#/stock'],
  [{ ...TEA, colour: 'green' }, '#/colour'],
] as const) {
  test(`the product ${JSON.stringify(body)} is refused at ${pointer}`, async () => {
    const { call } = shop();
    const refused = await call('POST', '/catalog', body);
    assert.equal(refused.status, 422);
    assert.deepEqual(refused.json.errors.map((fault: { pointer: string }) => fault.pointer), [pointer]);
  });
}

test('a change of nothing is refused', async () => {
  const { call } = shop();
  const { id } = (await call('POST', '/catalog', TEA)).json;
  assert.equal((await call('PATCH', `/catalog/${id}`, {})).status, 422);
  assert.equal((await call('POST', `/catalog/${id}/stock`, { change: 0 })).status, 422);
});

for (const query of ['limit=0', 'limit=101', 'limit=x', 'page=2']) {
  test(`the query ${query} is refused`, async () => {
    const { call } = shop();
    assert.equal((await call('GET', `/catalog?${query}`)).status, 422);
  });
}

test('deep health tells whether the store answers', async () => {
  const { call, products } = shop();
  products.reachable = false;
  assert.equal((await call('GET', '/catalog/health')).json.service, 'catalog_service');
  assert.equal((await call('GET', '/catalog/health?deep=1')).status, 503);
});
