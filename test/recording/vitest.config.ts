/** `npm run histories` records the histories of this release anew, on the same servers as the tests. */
import { defineConfig } from 'vitest/config';
import tests from '../../vitest.config.ts';

export default defineConfig({ ...tests, test: { ...tests.test, include: ['test/recording/record.ts'] } });
