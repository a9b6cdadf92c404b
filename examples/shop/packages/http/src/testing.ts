/** What tests of HTTP functions need: the event that API Gateway sends, and a context. */

import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';

/** What a caller sees of a response; header names are in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The body, read as JSON; JSON has no narrower type than this. */
  readonly json: any;
}

type Handler = (event: APIGatewayProxyEvent, context: Context) => Promise<APIGatewayProxyResult>;

/** Make a caller of a handler that behaves like API Gateway's proxy integration. */
export function caller(handler: Handler): (method: string, url: string, body?: unknown) => Promise<Answer> {
  return async (method, url, body) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const result = await handler(restEvent(method, url, text ?? null), testContext);
    const headers = Object.entries(result.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]);
    return {
      status: result.statusCode,
      headers: Object.fromEntries(headers) as Record<string, string>,
      text: result.body,
      json: result.body === '' ? undefined : JSON.parse(result.body),
    };
  };
}

/** The event of a REST API's proxy integration (payload format 1.0). */
export function restEvent(method: string, url: string, body: string | null = null): APIGatewayProxyEvent {
  const { pathname, searchParams } = new URL(url, 'http://shop.test');
  const query = Object.fromEntries(searchParams);
  return {
    resource: pathname,
    path: pathname,
    httpMethod: method,
    headers: {},
    multiValueHeaders: {},
    queryStringParameters: searchParams.size > 0 ? query : null,
    multiValueQueryStringParameters: null,
    pathParameters: null,
    stageVariables: { slot: 'blue' },
    requestContext: {} as APIGatewayProxyEvent['requestContext'],
    body,
    isBase64Encoded: false,
  };
}

/** The part of Lambda's context that the services read. */
export const testContext = {
  functionName: 'shop-test-service',
  functionVersion: '7',
  awsRequestId: '00000000-0000-4000-8000-000000000000',
  invokedFunctionArn: 'arn:aws:lambda:eu-west-1:111111111111:function:shop-test-service:blue',
} as Context;
