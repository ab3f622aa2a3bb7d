/** Runs before each unit test file: whatever opens a connection there fails, and so does its test. */
import { Socket } from 'node:net';

Socket.prototype.connect = () => {
  throw new Error('A unit test needs no server. See vitest.config.ts for the names of tests that do.');
};
