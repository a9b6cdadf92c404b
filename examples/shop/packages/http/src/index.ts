export { Api, type ApiOptions, type Call, type ErrorLog, type Reply } from './api.js';
export { readBody, readQuery } from './input.js';
export { fromCursor, type Page, toCursor } from './paging.js';
export { conflict, type Fault, invalid, malformed, notFound, Problem } from './problem.js';
