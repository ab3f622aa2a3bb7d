/** Options that several verbs share: in which shop, who acts and why, and by how much a deadline is put off. */
import { userInfo } from 'node:os';
import { Option } from '@commander-js/extra-typings';
import { defineVerb } from '../../cli/command.ts';
import { duration } from '../../cli/values.ts';
import { UserError } from '../../cli/user-error.ts';
import { LONGEST_EXTENSION_MS } from '../../domain/attention.ts';

type Description = Parameters<typeof defineVerb>[0];

const SHOP =
  "the shop, or '*' for every shop; without it, that of the key, or main with a key of the installation";

/** A verb that reads. */
export const defineReading = (description: Description) =>
  defineVerb({ failed: 'the API refused it, or gave no answer', ...description }).option(
    '--shop <shop>',
    SHOP,
  );

/** A verb that changes something. */
export const defineAct = (description: Description) =>
  defineReading({ failed: 'nothing was done: the API refused it, or gave no answer', ...description })
    .addOption(new Option('--actor <person>', 'who acts; the user of this machine unless given'))
    .requiredOption('--reason <text>', 'why; kept, and shown to everyone who views the order');

export interface Signature {
  actor?: string | undefined;
  reason: string;
}

/** @throws {UserError} when this machine does not know who its user is. */
export const sign = ({ actor = nameUser(), reason }: Signature): { actor: string; reason: string } => ({
  actor,
  reason,
});

/** The same in one text, for the calls that have a reason alone. */
export const signReason = (by: Signature): string => {
  const { actor, reason } = sign(by);
  return `${reason} (${actor})`;
};

/** The text of an option, in seconds. */
export const extension = (text: string): number => parseExtension(text) / 1_000;

const parseExtension = duration(1_000, LONGEST_EXTENSION_MS);

function nameUser(): string {
  try {
    return userInfo().username;
  } catch {
    throw new UserError('This user has no name on this machine: say who you are with --actor.');
  }
}
