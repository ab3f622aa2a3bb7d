/** What a caller notes about an order for itself. Holdfast keeps it and decides nothing by it, so no workflow knows of it. */
import { TEXT, findFlaw } from './text.ts';

export interface OrderDetail {
  /** What the order is called where it came from. Several orders may have the same. */
  reference?: string;
  metadata?: Readonly<Record<string, string>>;
}

/** How many fields an order's metadata may have. */
export const METADATA_FIELDS = 20;

export const hasDetail = ({ reference, metadata }: OrderDetail): boolean =>
  reference !== undefined || metadata !== undefined;

/** What is wrong with a field of the metadata, for its sender; null when it can be stored. */
export function findFlawOfField(key: string, value: string): string | null {
  const flawOfKey = findFlaw(key, TEXT.metadataKey);
  if (flawOfKey !== null) return `the key ${flawOfKey}`;
  return value === '' ? null : findFlaw(value, TEXT.metadataValue);
}
