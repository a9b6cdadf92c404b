/** Problems: what a caller is told when a request cannot be served (RFC 9457, application/problem+json). */

export const PROBLEM_TYPE = 'application/problem+json';

/** One thing that is wrong with a request: a JSON pointer (RFC 6901) into the input, and why. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  422: 'Unprocessable Content',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** A request that ends in a 4xx or 5xx answer on purpose; `detail` tells callers nothing they did not know. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    readonly kind: string,
    readonly detail: string,
    readonly faults: readonly Fault[] = [],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(`${status} ${kind}: ${detail}`);
  }

  /** The body of the answer; `requestId` is what support asks for. */
  toBody(requestId: string): Record<string, unknown> {
    return {
      type: `urn:shop:problem:${this.kind}`,
      title: TITLES[this.status] ?? 'Error',
      status: this.status,
      detail: this.detail,
      request_id: requestId,
      ...(this.faults.length > 0 ? { errors: this.faults } : {}),
    };
  }
}

/** The request cannot be read at all, for example because its body is not JSON. */
export const malformed = (detail: string): Problem => new Problem(400, 'malformed-request', detail);

/** The request can be read but does not mean anything here; `faults` say where. */
export const invalid = (detail: string, faults: readonly Fault[] = []): Problem =>
  new Problem(422, 'invalid-request', detail, faults);

/** The thing that the path names does not exist. */
export const notFound = (detail: string): Problem => new Problem(404, 'not-found', detail);

/** The request is fine, but not with the present state of things. */
export const conflict = (detail: string, kind = 'conflict'): Problem => new Problem(409, kind, detail);
