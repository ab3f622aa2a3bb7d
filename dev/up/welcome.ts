/** The text that `npm start` prints once everything is ready: addresses, the key, and calls to paste. */
import { DEMO_SKUS, type DemoWallet } from '../demo/catalogue.ts';

export interface Whereabouts {
  api: string;
  /** Of Temporal's Web UI; undefined when Temporal was not started here. */
  webUi: string | undefined;
  /** Undefined when none was started. */
  prometheus: string | undefined;
  /** The text of the development key. */
  key: string;
  keyFile: string;
  logs: string;
}

export function welcome(
  { api, webUi, prometheus, key, keyFile, logs }: Whereabouts,
  { ownerId, walletId }: DemoWallet,
): string {
  const order = { buyerId: ownerId, walletId, lines: [{ sku: DEMO_SKUS[0].sku, quantity: 2 }] };
  return `
Holdfast is ready.
  API        ${api}
  API docs   ${api}/docs
  Operations ${api}/ops
  Web UI     ${webUi ?? 'that of your Temporal server'}
${prometheus === undefined ? '' : `  Prometheus ${prometheus}/alerts\n`}  Logs       ${logs}
  Key        ${key}
             for development alone, in ${keyFile}; it also lets you in at /ops

Place an order, pay it, and read it (paste one after the other):

key=${key}

${createCall(api, JSON.stringify(order))}

curl -sw '\\n' -X POST ${api}/v1/orders/$order/pay -H "authorization: Bearer $key" -H "idempotency-key: pay-$order"

curl -sw '\\n' ${api}/v1/orders/$order -H "authorization: Bearer $key"

\`npm run provider\` in another terminal takes payments from outside. It misbehaves as docs/payments.md says.
\`npm run demo\` in another terminal plays an order of each ending. Ctrl-C stops everything.
`;
}

/** Shows the answer and keeps the order's id for the next calls, using only what every shell has. */
const createCall = (api: string, order: string): string =>
  `order=$(curl -sw '\\n' ${api}/v1/orders -H "authorization: Bearer $key" -H "content-type: application/json" \\
  -H "idempotency-key: create-$(date +%s)-$$" -d '${order}' \\
  | tee /dev/stderr | grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)`;
