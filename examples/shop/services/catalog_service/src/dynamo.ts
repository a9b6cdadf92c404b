/** Products in DynamoDB. order_service takes stock from the same items, so stock is only ever added to. */

import { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  ScanCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { fromCursor, type Page, toCursor } from '@shop/http';

import { Product } from './model.js';
import { ChangedMeanwhileError, OutOfStockError, type Products } from './repository.js';

export class DynamoProducts implements Products {
  constructor(
    private readonly dynamodb: DynamoDBDocumentClient,
    private readonly table: string,
  ) {}

  /** Take table, endpoint, region and credentials from the function's environment. */
  static fromEnvironment(): DynamoProducts {
    const table = process.env['TABLE_PRODUCTS'];
    if (table === undefined) {
      throw new Error('TABLE_PRODUCTS is not set: service.toml does not mention the table');
    }
    // A call that hangs is given up well within the function's timeout, so that it is retried and not billed.
    const client = new DynamoDBClient({
      maxAttempts: 3,
      requestHandler: { connectionTimeout: 1000, requestTimeout: 3000, throwOnRequestTimeout: true },
    });
    return new DynamoProducts(DynamoDBDocumentClient.from(client), table);
  }

  async add(product: Product): Promise<void> {
    await this.dynamodb.send(
      new PutCommand({ TableName: this.table, Item: product, ConditionExpression: 'attribute_not_exists(id)' }),
    );
  }

  async get(id: string): Promise<Product | undefined> {
    const found = await this.dynamodb.send(
      new GetCommand({ TableName: this.table, Key: { id }, ConsistentRead: true }),
    );
    return found.Item === undefined ? undefined : Product.parse(found.Item);
  }

  async page(limit: number, cursor: string | undefined): Promise<Page<Product>> {
    const found = await this.dynamodb.send(
      new ScanCommand({ TableName: this.table, Limit: limit, ExclusiveStartKey: fromCursor(cursor, ['id']) }),
    );
    return {
      entries: (found.Items ?? []).map((item) => Product.parse(item)),
      cursor: toCursor(found.LastEvaluatedKey),
    };
  }

  async edit(product: Product): Promise<Product> {
    try {
      const changed = await this.dynamodb.send(
        new UpdateCommand({
          TableName: this.table,
          Key: { id: product.id },
          ConditionExpression: 'version = :before',
          UpdateExpression:
            'SET #name = :name, description = :description, price_cents = :price, updated_at = :now, version = :version',
          ExpressionAttributeNames: { '#name': 'name' },
          ExpressionAttributeValues: {
            ':before': product.version - 1,
            ':name': product.name,
            ':description': product.description,
            ':price': product.price_cents,
            ':now': product.updated_at,
            ':version': product.version,
          },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return Product.parse(changed.Attributes);
    } catch (error) {
      throw error instanceof ConditionalCheckFailedException ? new ChangedMeanwhileError() : error;
    }
  }

  async restock(id: string, change: number): Promise<Product | undefined> {
    try {
      const changed = await this.dynamodb.send(
        new UpdateCommand({
          TableName: this.table,
          Key: { id },
          ConditionExpression: 'attribute_exists(id) AND stock >= :taken',
          UpdateExpression: 'SET stock = stock + :change',
          ExpressionAttributeValues: { ':change': change, ':taken': Math.max(0, -change) },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return Product.parse(changed.Attributes);
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) {
        throw error;
      }
      if ((await this.get(id)) === undefined) {
        return undefined;
      }
      throw new OutOfStockError();
    }
  }

  async remove(id: string): Promise<boolean> {
    const gone = await this.dynamodb.send(
      new DeleteCommand({ TableName: this.table, Key: { id }, ReturnValues: 'ALL_OLD' }),
    );
    return gone.Attributes !== undefined;
  }

  async check(): Promise<void> {
    await this.get('health');
  }
}
