/**
 * The personal fields of an order: who receives it, and what is to be observed. They are stored encrypted and shown to the shop and to
 * the order's buyer alone; nothing that happens to an order depends on them.
 */
import type { TextRule } from './text.ts';

export interface Contact {
  name?: string | undefined;
  email?: string | undefined;
  phone?: string | undefined;
}

/** What an order was placed with, if anything. */
export interface PersonalData {
  contact?: Contact | undefined;
  deliveryNote?: string | undefined;
}

/** As a request spells them. Each is encrypted by itself. */
export const PERSONAL_FIELDS = ['contact', 'deliveryNote'] as const satisfies readonly (keyof PersonalData)[];
export type PersonalField = (typeof PERSONAL_FIELDS)[number];

export const CONTACT_FIELDS = ['name', 'email', 'phone'] as const satisfies readonly (keyof Contact)[];

/** The rules of their texts, as in text.ts. The database sees only what is encrypted, so its CHECKs know lengths alone. */
export const PERSONAL_TEXT = {
  name: { max: 200, trimmed: true, lines: false },
  email: { max: 254, trimmed: true, lines: false },
  phone: { max: 50, trimmed: true, lines: false },
  deliveryNote: { max: 500, trimmed: true, lines: true },
} as const satisfies Record<string, TextRule>;

/** Whether a text can be an e-mail address: what is stricter refuses addresses that exist. */
export const EMAIL_PATTERN = '^[^\\s@]+@[^\\s@]+$';

/** An address is found however its sender spelled it. */
export const normaliseEmail = (email: string): string => email.trim().normalize('NFC').toLowerCase();

export const isEmpty = ({ contact, deliveryNote }: PersonalData): boolean =>
  contact === undefined && deliveryNote === undefined;

/** What encryption adds to a text: its nonce and its tag. */
export const SEAL_BYTES = 12 + 16;
/** A code point has at most four bytes, and a quote or line end becomes two in JSON. */
const bytesOf = (...rules: readonly TextRule[]): number => 4 * rules.reduce((sum, { max }) => sum + max, 0);

/** The most bytes of each field, encrypted. */
export const LONGEST_SEALED = {
  contact:
    SEAL_BYTES +
    JSON.stringify({ name: '', email: '', phone: '' }).length +
    bytesOf(PERSONAL_TEXT.name, PERSONAL_TEXT.email, PERSONAL_TEXT.phone),
  deliveryNote: SEAL_BYTES + bytesOf(PERSONAL_TEXT.deliveryNote),
} as const satisfies Record<PersonalField, number>;
