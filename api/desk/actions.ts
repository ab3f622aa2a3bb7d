/** What an operator may do to an order: when it is offered, which fields its form has, and the call that it makes. */
import { LONGEST_EXTENSION_MS, type InterventionAction } from '../../domain/attention.ts';
import { OWED_OUTCOMES, PAYMENT_OUTCOMES } from '../../domain/payments.ts';
import type { RestingStage } from '../../domain/stages.ts';
import type { OperationId } from '../access/operations.ts';
import { price, sentence } from './html.ts';
import type { OrderView } from './order-page.ts';

export interface Choice {
  value: string;
  label: string;
}

export type Field = { name: string; label: string } & (
  | { kind: 'checkbox' }
  | { kind: 'number'; min: number; max?: number; isOptional?: boolean }
  | { kind: 'choice'; choices: (view: OrderView) => readonly Choice[] }
);

export type ActionName = Exclude<InterventionAction, 'resolve_payment'> | 'cancel' | 'refund' | 'resolve';

export interface Action {
  name: ActionName;
  title: string;
  /** What happens, in a sentence or two. */
  explains: string;
  /** Shown when it was carried out. */
  done: string;
  operation: OperationId;
  /** Whether the call takes the name of who acts, besides the reason. */
  isSigned: boolean;
  /** Whether it makes sense now. Whether it is allowed, the API decides. */
  isOffered: (view: OrderView) => boolean;
  fields: readonly Field[];
  command: (view: OrderView, form: URLSearchParams) => { path: string; body: object };
}

const isIn =
  (...stages: readonly RestingStage[]) =>
  ({ order }: OrderView): boolean =>
    order !== undefined && stages.includes(order.stage);
const isMarked = ({ marks }: OrderView): boolean => marks.length > 0;
/** An order that is not recorded yet is open, too. */
const isOpen = (view: OrderView): boolean => view.order === undefined || isIn('awaiting_payment')(view);

const wordIn = (form: URLSearchParams, name: string): string => form.get(name) ?? '';
const reasonOf = (form: URLSearchParams): string => wordIn(form, 'reason');
const signedBy = (form: URLSearchParams): { actor: string; reason: string } => ({
  actor: wordIn(form, 'actor'),
  reason: reasonOf(form),
});
/** Missing when the field was left empty. */
function numberIn(form: URLSearchParams, name: string): number | undefined {
  const text = wordIn(form, name).trim();
  return text === '' ? undefined : Number(text);
}

const pathOf = ({ id }: OrderView, call: string): string => `/v1/orders/${id}/${call}`;
const intervention = (view: OrderView, form: URLSearchParams, action: ActionName, more: object = {}) => ({
  path: pathOf(view, 'interventions'),
  body: { action, ...signedBy(form), ...more },
});

/** Which of the workflows in trouble is meant. */
const WORKFLOW: Field = {
  name: 'workflowId',
  label: 'Of which workflow',
  kind: 'choice',
  choices: ({ marks }) =>
    marks.map(({ workflowId, step }) => ({ value: workflowId, label: `${workflowId}: ${step}` })),
};

export const ACTIONS: readonly Action[] = [
  {
    name: 'retry_now',
    title: 'Retry now',
    explains:
      'Tries the failing step again at once. Use it when the cause is fixed, and you do not want to wait.',
    done: 'The step is tried again. Load the page again to see whether it succeeded.',
    operation: 'intervene',
    isSigned: true,
    isOffered: isMarked,
    fields: [WORKFLOW],
    command: (view, form) =>
      intervention(view, form, 'retry_now', { workflowId: wordIn(form, 'workflowId') }),
  },
  {
    name: 'skip_step',
    title: 'Skip the payment',
    explains:
      'Skips a payment that keeps failing, so that the buyer may pay again. Only a payment can be skipped: every other step is owed to somebody.',
    done: 'The payment was skipped.',
    operation: 'intervene',
    isSigned: true,
    isOffered: isMarked,
    fields: [WORKFLOW],
    command: (view, form) => {
      const workflowId = wordIn(form, 'workflowId');
      const step = view.marks.find((mark) => mark.workflowId === workflowId)?.step;
      return intervention(view, form, 'skip_step', { workflowId, step });
    },
  },
  {
    name: 'extend_deadline',
    title: 'Put the deadline off',
    explains: 'Gives the buyer longer to pay. What the order has reserved, nobody else can buy for as long.',
    done: 'The deadline was put off.',
    operation: 'intervene',
    isSigned: true,
    isOffered: isIn('awaiting_payment'),
    fields: [
      {
        name: 'minutes',
        label: 'Minutes to add',
        kind: 'number',
        min: 1,
        max: LONGEST_EXTENSION_MS / 60_000,
      },
    ],
    command: (view, form) =>
      intervention(view, form, 'extend_deadline', { extendBySeconds: (numberIn(form, 'minutes') ?? 0) * 60 }),
  },
  {
    name: 'give_up',
    title: 'Give the order up',
    explains: 'Ends the order although a step fails: gives back what it holds, and refunds what was paid.',
    done: 'The order is given up.',
    operation: 'intervene',
    isSigned: true,
    isOffered: isOpen,
    fields: [],
    command: (view, form) => intervention(view, form, 'give_up'),
  },
  {
    name: 'resolve',
    title: 'Say how a payment stands',
    explains:
      'For a payment that its provider does not know, or money that it does not give back: ask the provider first. Everything follows as if the provider had said so.',
    done: 'The payment was resolved.',
    operation: 'resolvePayment',
    isSigned: true,
    isOffered: ({ payments }) => payments.length > 0,
    fields: [
      {
        name: 'payment',
        label: 'Which payment',
        kind: 'choice',
        choices: ({ payments }) =>
          payments.map(({ id, amount, currency, state }) => ({
            value: id,
            label: `${price(amount, currency)}, ${state} (${id})`,
          })),
      },
      {
        name: 'outcome',
        label: 'How it stands',
        kind: 'choice',
        choices: () =>
          [...PAYMENT_OUTCOMES, ...OWED_OUTCOMES].map((value) => ({ value, label: sentence(value) })),
      },
    ],
    command: (_, form) => ({
      path: `/v1/payments/${encodeURIComponent(wordIn(form, 'payment'))}/resolve`,
      body: { outcome: wordIn(form, 'outcome'), ...signedBy(form) },
    }),
  },
  {
    name: 'cancel',
    title: 'Cancel the order',
    explains: 'Gives back the units that it has reserved, and the money that it holds.',
    done: 'The order was cancelled.',
    operation: 'cancelOrder',
    isSigned: false,
    isOffered: isIn('awaiting_payment'),
    fields: [],
    command: (view, form) => ({ path: pathOf(view, 'cancel'), body: { reason: reasonOf(form) } }),
  },
  {
    name: 'refund',
    title: 'Refund',
    explains: 'Gives money back to where it came from: an amount, or all that is left.',
    done: 'The refund was made.',
    operation: 'refundOrder',
    isSigned: false,
    isOffered: isIn('paid'),
    fields: [
      {
        name: 'amount',
        label: 'Amount in minor units, such as cents; empty for all that is left',
        kind: 'number',
        min: 1,
        isOptional: true,
      },
      {
        name: 'restock',
        label: 'Units go back on hand (when all that is left is refunded)',
        kind: 'checkbox',
      },
    ],
    command: (view, form) => {
      const amount = numberIn(form, 'amount');
      const reason = reasonOf(form);
      const body = amount === undefined ? { reason, restock: form.has('restock') } : { reason, amount };
      return { path: pathOf(view, 'refund'), body };
    },
  },
];

export const findAction = (name: string | null): Action | undefined =>
  ACTIONS.find((action) => action.name === name);
