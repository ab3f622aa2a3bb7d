/** `npm run soak` plays the model's properties for long, on the same servers as the tests. */
import { defineConfig } from 'vitest/config';
import tests from '../../vitest.config.ts';

export default defineConfig({ ...tests, test: { ...tests.test, include: ['test/model/*.test.ts'] } });
