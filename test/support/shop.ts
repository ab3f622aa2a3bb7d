/** The API as tests call it: its client, with what most tests need in one short call. */
import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { z } from 'zod';
import {
  ApiClient,
  expectStatus,
  type Answer,
  type Credentials,
  type Order,
  type PostOptions,
  type Send,
} from '../../api/client.ts';
import { obey } from './obey.ts';

export { expectStatus, type PostOptions } from '../../api/client.ts';

export class Shop extends ApiClient {
  /** By default with the development key, which may do everything. */
  constructor(send: Send, credentials: Credentials = { key: inject('developmentKey') }) {
    super(send, credentials);
  }

  /** Adds a SKU with this many units, at 500 euro cents each by default. */
  async sku(onHand: number, price = { amount: 500, currency: 'EUR' }): Promise<string> {
    const sku = `SKU-${randomUUID().slice(0, 8)}`;
    expectStatus(await this.putSku(sku, { name: 'Test', price, onHand }), 201);
    return sku;
  }

  /** Opens a wallet with this much money. Orders are placed by `buyer`, too, unless they say otherwise. */
  async wallet(amount: number, currency = 'EUR', ownerId = 'buyer'): Promise<string> {
    const id = idOf(expectStatus(await this.createWallet({ ownerId, currency }), 201));
    if (amount > 0) await this.topUp(id, amount);
    return id;
  }

  async topUp(walletId: string, amount: number): Promise<void> {
    expectStatus(await this.depositIntoWallet(walletId, { amount }), 201);
  }

  /** Takes lines that no schema allows, too. */
  order(
    walletId: string,
    lines: unknown,
    more: object = {},
    options: PostOptions = {},
  ): Promise<Answer<Order>> {
    return this.post('/v1/orders', { buyerId: 'buyer', walletId, lines, ...more }, options);
  }

  /** Places an order that waits for payment, once there is room for it. Returns its id. */
  async placed(walletId: string, sku: string, quantity = 1, more: object = {}): Promise<string> {
    const key = randomUUID();
    const send = () => this.order(walletId, [{ sku, quantity }], more, { key });
    return idOf(expectStatus(await obey(send), 201));
  }

  pay(orderId: string, options: PostOptions = {}): Promise<Answer<Order>> {
    return this.payOrder(orderId, options);
  }

  cancel(orderId: string, reason = 'changed my mind', options: PostOptions = {}): Promise<Answer<Order>> {
    return this.cancelOrder(orderId, { reason }, options);
  }

  refund(orderId: string, restock: boolean, options: PostOptions = {}): Promise<Answer<Order>> {
    return this.refundOrder(orderId, { reason: 'broken', restock }, options);
  }

  async stageOf(orderId: string): Promise<unknown> {
    return expectStatus(await this.getOrder(orderId), 200).body.stage;
  }

  /** `{ onHand, reserved, available }` of a SKU. */
  async stockOf(sku: string): Promise<unknown> {
    const { onHand, reserved, available } = expectStatus(await this.getSku(sku), 200).body;
    return { onHand, reserved, available };
  }

  /** `{ posted, held }` of a wallet. */
  async balanceOf(walletId: string): Promise<unknown> {
    const { posted, held } = expectStatus(await this.getWallet(walletId), 200).body;
    return { posted, held };
  }
}

export const idOf = ({ body }: Answer): string => z.string().parse(body['id']);
