/**
 * `node test/support/one-after-another.ts 'ops/check.ts' 'ops/replay.ts --limit 1'`: runs scripts one after the other as the main
 * script of this process, and prints for each a line of JSON with its exit code and all that it printed. What they have in common is
 * loaded once. The paths are relative to the working directory, and nothing but Node's own modules is imported here, so that the
 * scripts run on what that folder has.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const lines = process.argv.slice(2);
for (const [index, line] of lines.entries()) {
  const [script = '', ...args] = line.split(' ');
  const path = resolve(script);
  process.argv = [process.execPath, path, ...args];
  process.exitCode = undefined;
  const restore = [process.stdout, process.stderr].map(keepOutput);
  // The same script may run again.
  await import(`${pathToFileURL(path).href}?${index}`);
  const output = restore.map((end) => end()).join('');
  console.log(JSON.stringify({ line, code: process.exitCode ?? 0, output }));
}
process.exitCode = 0;

/** Keeps what is written until the returned function is called, which returns it. */
function keepOutput(stream: NodeJS.WriteStream): () => string {
  let kept = '';
  stream.write = (chunk: Uint8Array | string) => {
    kept += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  return () => {
    // What the prototype has is uncovered again.
    Reflect.deleteProperty(stream, 'write');
    return kept;
  };
}
