/** Lists in parts: an opaque cursor says where the next part begins. */

import { malformed } from './problem.js';

/** A part of a list; `cursor` fetches the next part, and is null on the last one. */
export interface Page<Entry> {
  readonly entries: readonly Entry[];
  readonly cursor: string | null;
}

/** Write a key, such as DynamoDB's LastEvaluatedKey, as text that fits a URL. */
export function toCursor(key: Readonly<Record<string, unknown>> | undefined): string | null {
  return key === undefined ? null : Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** Read a cursor, which may be anything, as a key of these string attributes; 400 when it is none. */
export function fromCursor(cursor: string | undefined, names: readonly string[]): Record<string, string> | undefined {
  if (cursor === undefined) {
    return undefined;
  }
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw notOurs();
  }
  if (typeof key !== 'object' || key === null || Array.isArray(key)) {
    throw notOurs();
  }
  const members = Object.entries(key);
  if (members.length !== names.length || !members.every(([name, part]) => names.includes(name) && isText(part))) {
    throw notOurs();
  }
  return Object.fromEntries(members) as Record<string, string>;
}

const isText = (part: unknown): part is string => typeof part === 'string' && part !== '';

const notOurs = () => malformed('The cursor is not one that this list gave.');
