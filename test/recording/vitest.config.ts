/** `npm run histories` records the histories of this release anew, on the same servers as the tests. */
import { defineConfig } from 'vitest/config';
import { shared } from '../../vitest.config.ts';

export default defineConfig({
  test: { ...shared, include: ['test/recording/record*.ts'], globalSetup: ['test/support/servers.ts'] },
});
