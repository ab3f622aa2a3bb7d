/** Which API the command line of operators calls, and as whom. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openDesk } from '../../../ops/desk/connection.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-desk-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'development-key'), 'hf_development\n');
const local = { HOLDFAST_DATA: folder };

test('without an address, and where no system runs, the desk says what to set', () => {
  expect(() => openDesk(local)).toThrow('Set HOLDFAST_URL to the address of the API, or run `npm start`');
});

test('the development key of this machine is sent to no other address', () => {
  expect(() => openDesk({ ...local, HOLDFAST_URL: 'https://orders.example.com' })).toThrow(
    'Set HOLDFAST_KEY',
  );
});

test('an address that is none is refused by name, before anything is sent', () => {
  const wrong = { ...local, HOLDFAST_URL: 'orders.example.com', HOLDFAST_KEY: 'hf_x' };
  expect(() => openDesk(wrong)).toThrow('HOLDFAST_URL must start with http:// or https://');
});
