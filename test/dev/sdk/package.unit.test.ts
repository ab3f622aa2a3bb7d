/** The client as others install it: outside of this repository, without TypeScript at run time, and with types for their compiler. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { packSdk } from '../../../dev/sdk/package.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const COMPILER = join(ROOT, 'sdk/node_modules/typescript/bin/tsc');
const run = promisify(execFile);
const manifest = z.object({ dependencies: z.record(z.string(), z.string()) });
const printed = z.object({ stdout: z.string() });

const folder = mkdtempSync(join(tmpdir(), 'holdfast-shop-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PROGRAM = `
import { createHoldfast, isProblem, verifyWebhook, type Order, type ProblemCode } from '@holdfast/client';

const holdfast = createHoldfast({ address: 'https://holdfast.example', key: 'hf_key', patience: 0, fetch: async () => refusal() });
const refusal = (): Response =>
  new Response(JSON.stringify({ type: 'urn', title: 'T', status: 409, detail: 'D', code: 'out_of_stock' }), {
    status: 409,
    headers: { 'content-type': 'application/problem+json' },
  });

export async function place(): Promise<Order> {
  return holdfast.createOrder({ buyerId: 'b', walletId: 'w', lines: [{ sku: 's', quantity: 1 }] });
}
export const wrongBody = () =>
  // @ts-expect-error A line has a quantity.
  holdfast.createOrder({ buyerId: 'b', walletId: 'w', lines: [{ sku: 's' }] });
// @ts-expect-error The list of codes is closed.
export const wrongCode: ProblemCode = 'no_such_code';

try {
  await place();
} catch (error) {
  if (isProblem(error, 'out_of_stock')) console.log(error.code, typeof verifyWebhook);
}
`;

test('the package works in a program of others, compiled by TypeScript 5.9', async () => {
  const modules = join(folder, 'node_modules');
  await packSdk(join(modules, '@holdfast/client'));
  const { dependencies } = manifest.parse(JSON.parse(readFileSync(join(ROOT, 'sdk/package.json'), 'utf8')));
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'program.ts'), PROGRAM);
  const options =
    '--target es2022 --lib es2022,dom,dom.iterable,dom.asynciterable --module nodenext --strict --skipLibCheck --exactOptionalPropertyTypes';
  const compiling = [...options.split(' '), join(folder, 'program.ts')];
  await run(process.execPath, [COMPILER, ...compiling]).catch((error: unknown) =>
    // The compiler prints its errors where others print results.
    expect.fail(printed.parse(error).stdout),
  );
  const { stdout } = await run(process.execPath, ['--no-strip-types', join(folder, 'program.js')], {
    cwd: folder,
  });
  expect(stdout).toBe('out_of_stock function\n');
}, 120_000);
