/** `npm run audit`: verifies the audit, and exports it, with nothing but access to the database. */
import { InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { defineCommand, defineVerb, runVerbs, toVerb } from '../cli/command.ts';
import { UserError } from '../cli/user-error.ts';
import { instant } from '../cli/values.ts';
import { readMatching } from '../db/audit/export.ts';
import { readHead } from '../domain/audit-head.ts';
import { AUDIT_KINDS, type AuditHead } from '../domain/audit.ts';
import { auditSettings, databaseSettings } from '../settings.ts';
import { writePages } from './audit-lines.ts';
import { verifyDatabase, verifyFile } from './audit-verify.ts';
import { systemEnvironment } from './environment.ts';
import { withDatabase } from './with-database.ts';

const verify = defineVerb({
  name: 'verify',
  summary:
    'Computes every hash of the audit again, and tells which rows were changed, removed or inserted. Looks for what the audit must contain, too.',
  failed: 'the audit was changed, or could not be verified',
})
  .option('--head <seq:hash>', 'a head that was kept elsewhere: the chain must have it', head)
  .option('--file <export>', 'verifies an export, without a database')
  .option('--excerpt', 'with --file: rows may be missing between those in it')
  .option('--chain-only', 'does not compare other tables with the audit');

const exporting = defineVerb({
  name: 'export',
  summary:
    'Prints rows of the audit as lines of JSON, in the order of the chain. With no other option than --from and --to, verify --file can verify them.',
})
  .option('--from <instant>', 'recorded at this time or later, such as 2026-05-04T09:15:00Z', instant)
  .option('--to <instant>', 'recorded before this time', instant)
  .option('--order <id>', 'about this order')
  .option('--subject <text>', 'about this one: the id of a wallet or key, or a shop/SKU')
  .addOption(new Option('--kind <kind>', 'of this kind').choices(AUDIT_KINDS))
  .option('--actor <id>', 'by this one, such as key:4f2k7q3m5x7z')
  .option('--shop <shop>', 'of this shop');

await runVerbs(
  defineCommand({
    name: 'audit',
    summary: 'Verifies the audit, which records who changed what, and exports it.',
  }),
  toVerb(verify, async ({ head: kept, file, excerpt = false, chainOnly = false }) => {
    if (file === undefined && excerpt) throw new UserError('--excerpt is only for a --file.');
    const { lines, isBroken } =
      file === undefined
        ? await verifyDatabase(auditSettings(systemEnvironment(process.env)), {
            head: kept,
            sources: !chainOnly,
          })
        : await verifyFile(file, { head: kept, isExcerpt: excerpt });
    for (const line of lines) console.log(line);
    console.log(isBroken ? '\nThe audit is broken.' : '\nThe audit is whole.');
    if (isBroken) return 'failed';
  }),
  toVerb(exporting, async ({ from, to, order: orderId, subject, kind, actor, shop: shopId }) => {
    await withDatabase(databaseSettings(systemEnvironment(process.env)), 'audit', (database) =>
      writePages(
        process.stdout,
        readMatching(database, { orderId, subject, kind, actor, shopId }, { from, to }),
      ),
    );
  }),
);

function head(text: string): AuditHead {
  const read = readHead(text);
  if (read === undefined)
    throw new InvalidArgumentError(
      'It must be a number, a colon and a hash of 64 digits, as verify prints it.',
    );
  return read;
}
