/** The text that `npm start` prints once everything is ready: addresses, and calls to paste. */
import { DEMO_SKUS, type DemoWallet } from '../demo/catalogue.ts';

export interface Addresses {
  api: string;
  /** Of Temporal's Web UI; undefined when Temporal was not started here. */
  webUi: string | undefined;
}

export function welcome({ api, webUi }: Addresses, { ownerId, walletId }: DemoWallet, logs: string): string {
  const order = { buyerId: ownerId, walletId, lines: [{ sku: DEMO_SKUS[0].sku, quantity: 2 }] };
  return `
Holdfast is ready.
  API        ${api}
  API docs   ${api}/docs
  Web UI     ${webUi ?? 'that of your Temporal server'}
  Logs       ${logs}

Place an order, pay it, and read it (paste one after the other):

${createCall(api, JSON.stringify(order))}

curl -sw '\\n' -X POST ${api}/v1/orders/$order/pay -H "idempotency-key: pay-$order"

curl -sw '\\n' ${api}/v1/orders/$order

\`npm run demo\` in another terminal plays an order of each ending. Ctrl-C stops everything.
`;
}

/** Shows the answer and keeps the order's id for the next calls, using only what every shell has. */
const createCall = (api: string, order: string): string =>
  `order=$(curl -sw '\\n' ${api}/v1/orders -H "content-type: application/json" -H "idempotency-key: create-$(date +%s)-$$" \\
  -d '${order}' \\
  | tee /dev/stderr | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)`;
