import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Api, fromCursor, Problem, readBody, readQuery, toCursor } from '@shop/http';
import { caller, restEvent, testContext } from '@shop/http/testing';
import { z } from 'zod';

const Greeting = z.strictObject({ name: z.string().min(1), times: z.int().optional() });

function greeter() {
  const logged: string[] = [];
  const store = { reachable: true };
  const api = new Api({
    service: 'greeter',
    health: '/greetings/health',
    deepCheck: async () => {
      if (!store.reachable) throw new Error('the store is away');
    },
    logger: { error: (message, error) => logged.push(`${message}: ${error.message}`) },
    explain: (error) => (error instanceof RangeError ? new Problem(409, 'conflict', 'Too many.') : undefined),
  })
    .on('GET /greetings/{name}', async ({ path }) => ({ status: 200, body: { hello: path['name'] } }))
    .on('GET /greetings/everybody', async () => ({ status: 200, body: { hello: 'all' } }))
    .on('POST /greetings', async ({ event }) => ({ status: 201, body: readBody(event, Greeting) }))
    .on('DELETE /greetings/{name}', async () => ({ status: 204 }))
    .on('POST /greetings/{name}/break', async ({ path }) => {
      throw path['name'] === 'range' ? new RangeError() : new Error('password1');
    });
  return { api, call: caller((event, context) => api.resolve(event, context)), logged, store };
}

test('a path gives its names to the route, decoded', async () => {
  const { call } = greeter();
  assert.deepEqual((await call('GET', '/greetings/Ada%20King')).json, { hello: 'Ada King' });
});

test('a literal path goes before one with names, whatever was said first', async () => {
  const { call } = greeter();
  assert.deepEqual((await call('GET', '/greetings/everybody')).json, { hello: 'all' });
});

test('a route may have nothing to say', async () => {
  const { call } = greeter();
  const gone = await call('DELETE', '/greetings/ada');
  assert.equal(gone.status, 204);
  assert.equal(gone.text, '');
});

test('an unknown path is a problem', async () => {
  const { call } = greeter();
  const missing = await call('GET', '/nothing');
  assert.equal(missing.status, 404);
  assert.equal(missing.headers['content-type'], 'application/problem+json');
  assert.equal(missing.json.title, 'Not Found');
});

test('a known path with another method says which it answers', async () => {
  const { call } = greeter();
  const refused = await call('PUT', '/greetings/ada');
  assert.equal(refused.status, 405);
  assert.equal(refused.headers['allow'], 'DELETE, GET');
});

test('a fault of ours tells callers a request id, and the log the rest', async () => {
  const { call, logged } = greeter();
  const broken = await call('POST', '/greetings/ada/break');
  assert.equal(broken.status, 500);
  assert.equal(broken.json.request_id, testContext.awsRequestId);
  assert.ok(!broken.text.includes('password1'));
  assert.deepEqual(logged, ['unexpected failure: password1']);
});

test('an error that the service can explain is its problem', async () => {
  const { call, logged } = greeter();
  const refused = await call('POST', '/greetings/range/break');
  assert.equal(refused.status, 409);
  assert.deepEqual(logged, []);
});

test('health tells the version without touching the store, unless asked to go deep', async () => {
  const { call, store } = greeter();
  store.reachable = false;
  const healthy = await call('GET', '/greetings/health');
  assert.deepEqual(healthy.json, { status: 'ok', service: 'greeter', version: '7' });
  assert.equal((await call('GET', '/greetings/health?deep=1')).status, 503);
  store.reachable = true;
  assert.equal((await call('GET', '/greetings/health?deep=1')).status, 200);
});

for (const [body, status, pointers] of [
  ['{', 400, []],
  ['', 400, []],
  ['[]', 422, ['#']],
  [{}, 422, ['#/name']],
  [{ name: 'Ada', times: 1.5 }, 422, ['#/times']],
  [{ name: 'Ada', a: 1, b: 2 }, 422, ['#/a', '#/b']],
] as const) {
  test(`the body ${JSON.stringify(body)} is a ${status} that says where`, async () => {
    const { call } = greeter();
    const refused = await call('POST', '/greetings', body);
    assert.equal(refused.status, status);
    assert.equal(refused.headers['content-type'], 'application/problem+json');
    const faults: { pointer: string }[] = refused.json.errors ?? [];
    assert.deepEqual(faults.map(({ pointer }) => pointer), pointers);
  });
}

test('a body in base64 is read, and one that is no text is refused', async () => {
  const { api } = greeter();
  const event = (bytes: Buffer) => ({
    ...restEvent('POST', '/greetings', bytes.toString('base64')),
    isBase64Encoded: true,
  });
  assert.equal((await api.resolve(event(Buffer.from('{"name":"Ada"}')), testContext)).statusCode, 201);
  assert.equal((await api.resolve(event(Buffer.from([0xff, 0xfe])), testContext)).statusCode, 400);
});

test('a query string without parameters is an empty one', () => {
  assert.deepEqual(readQuery(restEvent('GET', '/greetings'), z.strictObject({})), {});
});

test('a cursor comes back as the key that it was', () => {
  const key = { id: '1', user_id: 'ada' };
  assert.deepEqual(fromCursor(toCursor(key) ?? '', ['user_id', 'id']), key);
  assert.equal(toCursor(undefined), null);
  assert.equal(fromCursor(undefined, ['id']), undefined);
});

for (const cursor of ['', 'x', 'e30', 'W10', 'bnVsbA', Buffer.from('{"id":1}').toString('base64url')]) {
  test(`the made-up cursor "${cursor}" is refused`, () => {
    assert.throws(() => fromCursor(cursor, ['id']), { status: 400 });
  });
}
