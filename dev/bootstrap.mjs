/**
 * What every npm script runs first: `node dev/bootstrap.mjs <script.ts> [arguments]`.
 * Plain JavaScript without dependencies, because it runs on whatever Node the machine has and before anything is
 * installed. It installs what package-lock.json says, and then runs the script on the project's own Node.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_TO_INSTALL = 20;
const OLDEST_TO_RUN = 24;
const PARENT_POLL_MS = 500;

const root = fileURLToPath(new URL('..', import.meta.url));
const binaries = join(root, 'node_modules', '.bin');
const projectNode = join(binaries, 'node');

/** @param {string} message */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/** The major version of a Node, 0 when it does not run. @param {string} node */
function majorVersion(node) {
  if (node === process.execPath) return Number(process.versions.node.split('.')[0]);
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  return Number(/^v(\d+)/.exec(stdout ?? '')?.[1] ?? 0);
}

/** @param {string} file @returns {Record<string, {version?: string, integrity?: string, optional?: boolean}>} */
function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return {};
  }
}

/** npm lists in node_modules/.package-lock.json what it has installed, and writes that file last. */
function isInstalled() {
  const installed = packagesIn('node_modules/.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    // An optional package is absent when it is for another platform.
    if (found === undefined) return wanted.optional === true;
    return found.version === wanted.version && found.integrity === wanted.integrity;
  });
}

/** Runs the npm that started us, or the one on the PATH. @param {string[]} args */
function npm(...args) {
  const started = process.env.npm_execpath;
  const ofNpm = started !== undefined && /^np[mx]-cli\.js$/.test(basename(started));
  // Not process.execPath: that may be the Node in node_modules, which `npm ci` removes.
  const node = process.env.npm_node_execpath ?? process.execPath;
  const [command, before] = ofNpm ? [node, [started]] : ['npm', []];
  // Standard output belongs to the command, which somebody may pipe.
  return spawnSync(command, [...before, ...args], { cwd: root, stdio: ['inherit', 2, 2] });
}

function install() {
  console.error('Installing the dependencies (npm ci); the first time this takes a minute or two.');
  const started = Date.now();
  const { status, error, signal } = npm('ci', '--no-audit', '--no-fund', '--loglevel=error');
  if (signal === 'SIGINT' || status === 130)
    fail('Interrupted; run the same command again to install the dependencies.');
  if (error !== undefined)
    fail(`npm could not be run (${error.message}). Install npm, then run the same command again.`);
  if (status !== 0) {
    fail(
      'The dependencies could not be installed: npm says above what is wrong. Fix that and run the same command again.',
    );
  }
  console.error(`Dependencies installed (${Math.round((Date.now() - started) / 1000)} s).`);
}

/** The Node that runs scripts: the project's own, so that every machine uses the same, or the machine's if it is new enough. */
function chooseNode() {
  if (majorVersion(projectNode) >= OLDEST_TO_RUN) return projectNode;
  if (majorVersion(process.execPath) >= OLDEST_TO_RUN) return process.execPath;
  // Newer versions of npm skip install scripts that package.json does not allow, and some people turn all of them off.
  console.error(`Getting Node ${OLDEST_TO_RUN} for this project (npm rebuild node).`);
  npm('rebuild', 'node', '--loglevel=error');
  if (majorVersion(projectNode) >= OLDEST_TO_RUN) return projectNode;
  return fail(
    `Node ${OLDEST_TO_RUN} is needed, and npm did not put it into node_modules: the install script of the package "node" did not run.\n` +
      'Allow it once with `npm rebuild node --ignore-scripts=false`, or use Node ' +
      `${OLDEST_TO_RUN} or newer (this is ${process.version}), then run the same command again.`,
  );
}

/** @param {string} node @param {string[]} args */
function run(node, args) {
  const child = spawn(node, args, {
    stdio: 'inherit',
    env: { ...process.env, PATH: [binaries, process.env.PATH].filter(Boolean).join(delimiter) },
  });
  child.on('error', (error) => fail(`${node} could not be run: ${error.message}`));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

  // We stay until the child has ended: it decides what a signal means. A terminal sends Ctrl-C to the child as well; without
  // a terminal, a SIGINT may have been meant for us alone.
  let interrupted = false;
  process.on('SIGINT', () => {
    interrupted = true;
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));

  if (process.env.npm_lifecycle_event !== undefined) {
    whenNpmEnds(() => {
      if (!interrupted) child.kill('SIGTERM');
    });
  }
}

/**
 * npm puts a shell between itself and us. A signal to npm alone ends one or both of them and does not reach us.
 * @param {() => void} ended
 */
function whenNpmEnds(ended) {
  const shell = process.ppid;
  const npmProcess = parentOf(shell);
  const watching = setInterval(() => {
    if (process.ppid === shell && parentOf(shell) === npmProcess) return;
    clearInterval(watching);
    ended();
  }, PARENT_POLL_MS);
}

/** @param {number} pid */
function parentOf(pid) {
  try {
    return /\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
  } catch {
    return spawnSync('ps', ['-o', 'ppid=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim();
  }
}

if (majorVersion(process.execPath) < OLDEST_TO_INSTALL) {
  fail(
    `Node ${OLDEST_TO_INSTALL} or newer is needed, and this is ${process.version}. Get one from https://nodejs.org.`,
  );
}
if (process.platform === 'win32') {
  fail(
    'This runs on Linux and macOS. On Windows, use it inside WSL: https://learn.microsoft.com/windows/wsl/install.',
  );
}
const [script, ...args] = process.argv.slice(2);
if (script === undefined) fail('Usage: node dev/bootstrap.mjs <script.ts> [arguments]');
if (!isInstalled()) install();
if (!existsSync(join(root, script))) fail(`There is no ${script} in this project.`);
run(chooseNode(), [join(root, script), ...args]);
