import { RETIRED } from '../../domain/currencies.ts';
import { Problem } from './problem.ts';

/** The problem of a new wallet or price in a currency that takes none any more. */
export function retiredCurrency(field: string, currency: string): Problem {
  const message = `${currency} ${RETIRED.get(currency)?.why ?? 'is not current'}: nothing new can be in it`;
  return new Problem('validation_failed', `${field}: ${message}`, { errors: [{ field, message }] });
}
