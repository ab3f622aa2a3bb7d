/** The problem of a new wallet or price in a currency that ISO has withdrawn. */
import { RETIRED } from '../../domain/currencies.ts';
import { Problem } from './problem.ts';

export function retiredCurrency(field: string, currency: string): Problem {
  const message = `${currency} ${RETIRED.get(currency)?.why ?? 'is not current'}: it is refused for anything new`;
  return new Problem('validation_failed', `${field}: ${message}`, { errors: [{ field, message }] });
}
