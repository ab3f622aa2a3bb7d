/** The personal fields of an order, and the erasure of a buyer's. */
import { z } from '@hono/zod-openapi';
import { EMAIL_PATTERN, PERSONAL_TEXT } from '../../domain/personal-data.ts';
import { patternOfAddress } from '../../domain/text.ts';
import { party, reason, text } from './values.ts';

// Their messages never quote a value: zod's own do not, and these must not.
const name = text(PERSONAL_TEXT.name).openapi({ example: 'Ada Lovelace' });
export const email = text(PERSONAL_TEXT.email)
  .regex(new RegExp(EMAIL_PATTERN), 'must be an e-mail address')
  .openapi({
    example: 'ada@example.com',
    pattern: patternOfAddress(),
    maxLength: PERSONAL_TEXT.email.max,
  });
const phone = text(PERSONAL_TEXT.phone).openapi({ example: '+44 20 7946 0000' });
export const deliveryNote = text(PERSONAL_TEXT.deliveryNote).openapi({ example: 'Ring twice' });

const contact = { name: name.optional(), email: email.optional(), phone: phone.optional() };

export const contactBody = z
  .strictObject(contact)
  .refine((some) => Object.values(some).some((value) => value !== undefined), {
    error: 'must have a name, an email or a phone',
  })
  .openapi('Contact', {
    minProperties: 1,
    description:
      'Kept encrypted, and shown by `getOrder` alone: to merchants, and to the buyer of the order. A key that is limited to scopes needs `personal-data:read` besides.',
  });

export const contactSchema = z.object(contact);

export const buyerParams = z.strictObject({ buyerId: party });
/** In the query, because servers in between may drop the body of a DELETE. */
export const erasureQuery = z.strictObject({ reason });
