/** Input: from an event's text to a typed value, or to a Problem that says what is wrong with it. */

import type { APIGatewayProxyEvent } from 'aws-lambda';
import type * as z from 'zod';

import { type Fault, invalid, malformed } from './problem.js';

/** Read the JSON body: 400 when there is none or it is not JSON, 422 when it is JSON of another shape. */
export function readBody<Schema extends z.ZodType>(event: APIGatewayProxyEvent, schema: Schema): z.output<Schema> {
  const text = bodyText(event);
  if (text === '') {
    throw malformed('This request needs a JSON body.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('The body is not valid JSON.');
  }
  return fit(value, schema, 'The body does not fit.');
}

/** Read the query string; of a parameter given twice the last one counts. */
export function readQuery<Schema extends z.ZodType>(event: APIGatewayProxyEvent, schema: Schema): z.output<Schema> {
  return fit(event.queryStringParameters ?? {}, schema, 'The query string does not fit.');
}

function bodyText(event: APIGatewayProxyEvent): string {
  const body = event.body ?? '';
  if (!event.isBase64Encoded) {
    return body;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(body, 'base64'));
  } catch {
    throw malformed('The body is not UTF-8 text.');
  }
}

function fit<Schema extends z.ZodType>(value: unknown, schema: Schema, detail: string): z.output<Schema> {
  const read = schema.safeParse(value);
  if (read.success) {
    return read.data;
  }
  throw invalid(detail, read.error.issues.flatMap(faultsOf));
}

/** Members that do not belong are one issue in zod; callers get one fault for each. */
function faultsOf(issue: z.core.$ZodIssue): Fault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ pointer: pointer([...issue.path, key]), detail: 'this member is not known' }));
  }
  return [{ pointer: pointer(issue.path), detail: issue.message }];
}

function pointer(path: readonly PropertyKey[]): string {
  return `#${path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`;
}
