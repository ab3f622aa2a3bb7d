/** Functions of db/ that take a database and are no question of their own, by their module in db/. A test compares this list with the code. */
export const NOT_ASKED: readonly {
  because: string;
  functions: Readonly<Record<string, readonly string[] | 'all'>>;
}[] = [
  {
    because: 'they are parts of statements, which other functions send',
    functions: {
      'sku-state.ts': ['isInState'],
      'audit/filter.ts': 'all',
      'audit/sealed-row.ts': 'all',
      'skus.ts': ['columnsOf'],
      'stats/figures.ts': ['figuresOf'],
      'refunds.ts': ['linesOfRefund'],
      'rules/deadlines.ts': ['isOverdue'],
      'rules/money.ts': ['moneyHeld', 'sumOfEntries'],
      'rules/order-contents.ts': 'all',
      'rules/order-parts.ts': 'all',
      'rules/payment-parts.ts': 'all',
      'rules/refund-parts.ts': 'all',
      'rules/stock.ts': ['unitsHeld', 'unitsLeft', 'isOversold'],
      'steps/adjustments.ts': 'all',
      'webhooks/webhooks.ts': ['fits'],
      'steps/fragments.ts': 'all',
      'steps/payments/fragments.ts': 'all',
      'steps/payments/holds.ts': 'all',
      'steps/refund-decide.ts': 'all',
      'steps/refund-record.ts': 'all',
      'steps/reserve-decide.ts': 'all',
      'steps/reserve-record.ts': 'all',
      'steps/reserve-terms.ts': 'all',
    },
  },
  {
    because: 'they carry out what they are given',
    functions: {
      'events/listening.ts': ['listenForEvents'],
      'locked-rows.ts': ['avoidLockedRows'],
      'postgres.ts': ['ormOn', 'inTransaction'],
      'query-span.ts': ['inQuerySpan'],
      'postgres-js-issue-1181.ts': ['keepResultsWhole'],
      'postgres-js-issue-1208.ts': ['closable'],
      'reach.ts': ['withoutLimit', 'limitTo'],
      'skus.ts': ['runOnSku'],
      'steps/step.ts': ['runStep'],
    },
  },
  {
    because: 'they ask other questions again and again: for each page or day, or until there is an answer',
    functions: {
      'audit/verify.ts': ['verifyAudit'],
      'prepared.ts': ['untilPrepared'],
      'rules/detectors.ts': ['detectAll'],
      'rules/rules.ts': ['checkRules'],
      'repairs/figures.ts': ['compareAllDays'],
    },
  },
  {
    because:
      'they are parts of what a person decides about one order, whose rows they find by their keys, as what is asked does',
    functions: {
      'decisions/known-order.ts': ['refuseIfRowsAreLeft', 'restoreRow'],
      'decisions/money.ts': ['bookPayment', 'letShopPay', 'reconnectPayment'],
      'decisions/path.ts': ['followEvents', 'moveTo'],
      'decisions/repair.ts': 'all',
    },
  },
];
