/** What an operator may do to an order: when it is offered, which fields its form has, and the call that it makes. */
import type { RestingStage } from '../../domain/stages.ts';
import type { OperationId } from '../access/operations.ts';
import type { OrderView } from './order-page.ts';

export interface Field {
  name: string;
  label: string;
  kind: 'number' | 'checkbox' | 'choice';
  /** Of a number: the least and the most; of a choice: what there is to choose. */
  min?: number;
  max?: number;
  choices?: (view: OrderView) => readonly { value: string; label: string }[];
  isOptional?: boolean;
}

export interface Action {
  name: string;
  title: string;
  /** What happens, in a sentence or two. */
  explains: string;
  /** Shown when it was carried out. */
  done: string;
  operation: OperationId;
  /** Whether it makes sense now. Whether it is allowed, the API decides. */
  isOffered: (view: OrderView) => boolean;
  fields: readonly Field[];
  command: (view: OrderView, form: URLSearchParams) => { path: string; body: object };
}

const isIn =
  (...stages: readonly RestingStage[]) =>
  ({ order }: OrderView): boolean =>
    order !== undefined && stages.includes(order.stage);

const reasonOf = (form: URLSearchParams): string => form.get('reason') ?? '';
/** Missing when the field was left empty. */
const numberIn = (form: URLSearchParams, name: string): number | undefined => {
  const text = (form.get(name) ?? '').trim();
  return text === '' ? undefined : Number(text);
};

const pathOf = ({ id }: OrderView, call: string): string => `/v1/orders/${id}/${call}`;

export const ACTIONS: readonly Action[] = [
  {
    name: 'cancel',
    title: 'Cancel the order',
    explains:
      'Gives back the units that it has reserved, and the money that it holds. An order that is already paid is refunded.',
    done: 'The order was cancelled.',
    operation: 'cancelOrder',
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
