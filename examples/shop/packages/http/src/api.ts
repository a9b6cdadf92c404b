/** The HTTP side of a function: routes, its health, and a problem for every way to fail. */

import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';

import { notFound, Problem, PROBLEM_TYPE } from './problem.js';

/** What a route is given: the event, and the values of the path's `{names}`. */
export interface Call {
  readonly event: APIGatewayProxyEvent;
  readonly path: Readonly<Record<string, string>>;
}

/** What a route answers; without a body it has nothing to say. */
export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The part of a logger that is needed here; Powertools' Logger has it. */
export interface ErrorLog {
  error(message: string, error: Error): void;
}

export interface ApiOptions {
  /** The service's name, as its folder is called. */
  readonly service: string;
  /** The path of the health route. */
  readonly health: string;
  /**
   * Touches what the service needs (its tables) and fails when that fails. The health route runs it under
   * `?deep=1` only: load balancers and deployments ask often, and pay per read.
   */
  readonly deepCheck: () => Promise<void>;
  /** Gets the unexpected with its stack; callers get a request id. */
  readonly logger: ErrorLog;
  /** What callers are told when a store throws one of its own errors. */
  readonly explain?: (error: unknown) => Problem | undefined;
}

type Route = (call: Call) => Promise<Reply>;

interface Entry {
  readonly method: string;
  readonly segments: readonly string[];
  readonly route: Route;
}

export class Api {
  private readonly entries: Entry[] = [];

  constructor(private readonly options: ApiOptions) {}

  /** Add a route, written as in service.toml: `api.on('GET /catalog/{id}', …)`. Literal paths come first. */
  on(rule: string, route: Route): this {
    const [method, path] = rule.split(' ');
    if (method === undefined || path === undefined) {
      throw new Error(`a route is written "METHOD /path", not "${rule}"`);
    }
    this.entries.push({ method, segments: path.split('/'), route });
    this.entries.sort((one, other) => names(one) - names(other));
    return this;
  }

  /** Answer one request of API Gateway; never rejects. */
  async resolve(event: APIGatewayProxyEvent, context: Context): Promise<APIGatewayProxyResult> {
    try {
      return toResult(await this.dispatch(event, context));
    } catch (error) {
      const problem = this.toProblem(error);
      return {
        statusCode: problem.status,
        headers: { ...problem.headers, 'Content-Type': PROBLEM_TYPE },
        body: JSON.stringify(problem.toBody(context.awsRequestId)),
      };
    }
  }

  private async dispatch(event: APIGatewayProxyEvent, context: Context): Promise<Reply> {
    if (event.path === this.options.health && event.httpMethod === 'GET') {
      return this.health(event, context);
    }
    const segments = event.path.split('/');
    const fitting = this.entries.filter((entry) => fits(entry.segments, segments));
    const entry = fitting.find(({ method }) => method === event.httpMethod);
    if (entry !== undefined) {
      return entry.route({ event, path: valuesOf(entry.segments, segments) });
    }
    if (fitting.length === 0) {
      throw notFound(`There is nothing at ${event.path}.`);
    }
    const allow = [...new Set(fitting.map(({ method }) => method))].sort().join(', ');
    const detail = `${event.path} does not answer ${event.httpMethod}.`;
    throw new Problem(405, 'method-not-allowed', detail, [], { Allow: allow });
  }

  private async health(event: APIGatewayProxyEvent, context: Context): Promise<Reply> {
    if (event.queryStringParameters?.['deep'] === '1') {
      try {
        await this.options.deepCheck();
      } catch (error) {
        this.options.logger.error('deep health check failed', toError(error));
        const detail = `${this.options.service} cannot reach what it needs; the log says what.`;
        throw new Problem(503, 'unhealthy', detail);
      }
    }
    return { status: 200, body: { status: 'ok', service: this.options.service, version: context.functionVersion } };
  }

  private toProblem(error: unknown): Problem {
    const known = error instanceof Problem ? error : this.options.explain?.(error);
    if (known !== undefined) {
      return known;
    }
    this.options.logger.error('unexpected failure', toError(error));
    return new Problem(500, 'internal', 'Something failed on our side; it is logged under this request id.');
  }
}

function toResult({ status, body, headers }: Reply): APIGatewayProxyResult {
  return body === undefined
    ? { statusCode: status, headers: { ...headers }, body: '' }
    : { statusCode: status, headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

const isName = (segment: string): boolean => segment.startsWith('{') && segment.endsWith('}');

const names = ({ segments }: Entry): number => segments.filter(isName).length;

function fits(rule: readonly string[], path: readonly string[]): boolean {
  return (
    rule.length === path.length &&
    rule.every((segment, place) => (isName(segment) ? path[place] !== '' : segment === path[place]))
  );
}

function valuesOf(rule: readonly string[], path: readonly string[]): Record<string, string> {
  const named = rule.flatMap((segment, place) =>
    isName(segment) ? [[segment.slice(1, -1), decode(path[place] ?? '')] as const] : [],
  );
  return Object.fromEntries(named);
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment; // a lone % names nothing, and is looked up as it stands
  }
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
