/** `npm run ops`: finds, understands and fixes what is in trouble, by the calls that the API offers to operators. */
import { defineCommand, runVerbs } from '../cli/command.ts';
import { openDesk } from './desk/connection.ts';
import { searchingVerbs } from './desk/searching.ts';
import { deskVerbs } from './desk/verbs.ts';

await runVerbs(
  defineCommand({
    name: 'ops',
    summary:
      'Finds, understands and fixes what is in trouble. It calls the API at HOLDFAST_URL with HOLDFAST_KEY, or the one that `npm start` runs on this machine.',
  }),
  ...deskVerbs((shop) => openDesk(process.env)(shop)),
  ...searchingVerbs(),
);
