/** A file with a secret of this machine's system, which survives its restarts. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Undefined when there is no such file. */
export function readSecretFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Readable by this user alone, from its first moment. */
export function writeSecretFile(file: string, text: string): void {
  const draft = `${file}.draft-${process.pid}`;
  writeFileSync(draft, `${text}\n`, { mode: 0o600 });
  renameSync(draft, file);
}
