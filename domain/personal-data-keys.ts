/**
 * The keys of personal data. Each buyer has one of their own, which encrypts the fields of their orders and is itself encrypted
 * ("wrapped") with a key of the installation: so keys of the installation can be changed without touching a field, and a buyer is
 * forgotten with one key. A second kind of key turns e-mail addresses into values by which orders are found.
 */
import { createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { KEY_BYTES, openWithRing, sealWithCurrent, type KeyRing } from './key-ring.ts';
import {
  CONTACT_FIELDS,
  normaliseEmail,
  type Contact,
  type PersonalData,
  type PersonalField,
} from './personal-data.ts';
import { SealBrokenError, openSeal, seal } from './sealing.ts';

export interface PersonalDataKeys {
  /** Wrap buyers' keys: PERSONAL_DATA_KEYS. */
  wrapping: KeyRing;
  /** PERSONAL_DATA_INDEX_KEYS. */
  index: KeyRing;
}

/** Whose key it is; its id is another one after the buyer was erased. */
export interface KeyOwner {
  shopId: string;
  buyerId: string;
  id: string;
}

export interface WrappedKey {
  wrapped: Buffer;
  /** The name of the key that it is wrapped with. */
  wrappingKey: string;
}

export const makeBuyerKey = (): KeyObject => createSecretKey(randomBytes(KEY_BYTES));

/** Wraps a buyer's key with the current key. */
export function wrapBuyerKey({ wrapping }: PersonalDataKeys, owner: KeyOwner, key: KeyObject): WrappedKey {
  const { sealed, key: wrappingKey } = sealWithCurrent(wrapping, key.export(), keyOf(owner));
  return { wrapped: sealed, wrappingKey };
}

/** @throws {UnknownKeyError | SealBrokenError} */
export function unwrapBuyerKey(
  { wrapping }: PersonalDataKeys,
  owner: KeyOwner,
  { wrapped, wrappingKey }: WrappedKey,
): KeyObject {
  const sealed = { sealed: wrapped, key: wrappingKey };
  return createSecretKey(openWithRing(wrapping, sealed, keyOf(owner), 'PERSONAL_DATA_KEYS'));
}

const keyOf = ({ shopId, buyerId, id }: KeyOwner) => ["a buyer's key", shopId, buyerId, id] as const;

/** What one order's fields are stored as. */
export interface SealedFields {
  contact: Buffer | null;
  deliveryNote: Buffer | null;
}

/** The order whose fields they are: of another order or in another place, they cannot be opened. */
export interface FieldsOwner {
  shopId: string;
  orderId: string;
}

/** Encrypts what there is with the key of the order's buyer. */
export function sealFields(
  key: KeyObject,
  owner: FieldsOwner,
  { contact, deliveryNote }: PersonalData,
): SealedFields {
  const sealOne = (field: PersonalField, text: string) => seal(key, Buffer.from(text), fieldOf(owner, field));
  return {
    contact: contact === undefined ? null : sealOne('contact', JSON.stringify(contact)),
    deliveryNote: deliveryNote === undefined ? null : sealOne('deliveryNote', deliveryNote),
  };
}

/** @throws {SealBrokenError} */
export function openFields(
  key: KeyObject,
  owner: FieldsOwner,
  { contact, deliveryNote }: SealedFields,
): PersonalData {
  const openOne = (field: PersonalField, sealed: Buffer) =>
    openSeal(key, sealed, fieldOf(owner, field)).toString();
  return {
    ...(contact !== null && { contact: readContact(openOne('contact', contact)) }),
    ...(deliveryNote !== null && { deliveryNote: openOne('deliveryNote', deliveryNote) }),
  };
}

const fieldOf = ({ shopId, orderId }: FieldsOwner, field: PersonalField) =>
  ['a personal field', shopId, orderId, field] as const;

function readContact(text: string): Contact {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null)
    throw new SealBrokenError('A contact was encrypted that is none.');
  const members = new Map<string, unknown>(Object.entries(parsed));
  return Object.fromEntries(CONTACT_FIELDS.map((field) => [field, members.get(field)]).filter(isText));
}

const isText = (member: readonly unknown[]): member is [string, string] => typeof member[1] === 'string';

/** By what an address is found in a shop. Addresses of two shops have nothing in common. */
export interface EmailIndex {
  value: Buffer;
  /** The name of the key that it was made with. */
  indexKey: string;
}

/** With the current key first: an order is indexed by that, and searched by all. */
export const indexEmail = (
  { index }: PersonalDataKeys,
  shopId: string,
  email: string,
): readonly EmailIndex[] =>
  index.map(({ name, key }) => ({
    value: digest(key, ['an e-mail address', shopId, normaliseEmail(email)]),
    indexKey: name,
  }));

/**
 * Stands for personal fields where two requests are compared. A plain hash could be guessed: there are not that many addresses.
 * @param of what else is in the request: the same fields in another one are not recognised.
 * @returns with each key, the current one first: another may have been that when the first request came.
 */
export const hashPersonalFields = (
  { index }: PersonalDataKeys,
  of: readonly string[],
  fields: string,
): readonly string[] =>
  index.map(({ key }) => digest(key, ['the personal fields of a request', ...of, fields]).toString('hex'));

const digest = (key: KeyObject, message: readonly string[]): Buffer =>
  createHmac('sha256', key).update(JSON.stringify(message)).digest();
