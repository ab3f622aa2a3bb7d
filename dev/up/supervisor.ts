/** `npm start`: starts the whole system in order, keeps it running, and stops it in the opposite order. */
import { once } from 'node:events';
import { migrateDatabase } from '../../db/migrate.ts';
import { messageOf } from '../../process/redaction.ts';
import { localSettings, type LocalSettings } from '../../settings.ts';
import { ApiClient, fetchFrom } from '../../api/client.ts';
import { ROOT, dataFolder, type DataFolder } from '../../cli/data-folder.ts';
import { ensureDemoCatalogue } from '../demo/catalogue.ts';
import { ensureDevelopmentKey } from '../development-key.ts';
import {
  PAYLOAD_SETTINGS,
  PERSONAL_DATA_SETTINGS,
  SESSION_SETTINGS,
  WEBHOOK_SETTINGS,
  ensureKeys,
} from '../local-keys.ts';
import { startApi, startCodec, startWorker } from '../processes/node-server.ts';
import { localProviderSettings } from '../provider/local.ts';
import { startPostgres } from '../postgres/server.ts';
import { claimFolder, type Claim } from './claim.ts';
import { findObserver, startObserver } from './observe.ts';
import { logFileOf, openServers, type Servers } from './servers.ts';
import { say, step } from '../progress.ts';
import { planSystem, type SystemPlan } from './plan.ts';
import { findTemporalCli, type TemporalCli } from '../temporal/cli.ts';
import { isTemporalReady, startTemporal } from '../temporal/server.ts';
import { UserError } from '../../cli/user-error.ts';
import { showLogs, watchSources } from './watch.ts';
import { welcome } from './welcome.ts';

/** The source of the worker and the API. */
const SOURCES = [
  'domain',
  'process',
  'settings.ts',
  'db',
  'activities',
  'workflows',
  'client',
  'worker',
  'api',
] as const;

const LOOPBACK_NETWORKS = '127.0.0.0/8,::1/128';

export interface SuperviseOptions {
  environment: NodeJS.ProcessEnv;
  /** Restarts worker and API when their source changes, and shows all logs. */
  watch: boolean;
  /** Starts Prometheus, too, where it is installed. */
  observe: boolean;
  /** Stops the system. */
  signal: AbortSignal;
  /** Called with the claim, which can kill all processes for a person who does not want to wait. */
  onClaim: (claim: Claim) => void;
}

/**
 * Runs the system until the signal, and resolves once everything has stopped.
 * @throws {UserError | SettingsError} when it cannot start, after stopping what it had started.
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const { environment, watch, signal, onClaim } = options;
  const settings = localSettings(environment);
  const folder = dataFolder(settings.HOLDFAST_DATA);
  say(`Starting Holdfast. Its data is in ${folder.shown(folder.path)}.`);
  const claim = await claimFolder(folder.path, say);
  onClaim(claim);
  const servers = openServers(folder, claim, signal);
  const watching = watch ? [showAllLogs(folder)] : [];
  try {
    const observer = options.observe ? findObserver(environment) : undefined;
    const plan = await planSystem(settings, environment, observer !== undefined);
    const personalData = ensureKeys(PERSONAL_DATA_SETTINGS, environment, folder.personalDataKeys);
    const webhooks = ensureKeys(WEBHOOK_SETTINGS, environment, folder.webhookKeys);
    const payloads = ensureKeys(PAYLOAD_SETTINGS, environment, folder.payloadKeys);
    const sessions = ensureKeys(SESSION_SETTINGS, environment, folder.sessionKeys);
    await startSystem({
      plan,
      personalData,
      webhooks,
      payloads,
      sessions,
      settings,
      folder,
      servers,
      observer,
      signal,
    });
    claim.announce({
      api: plan.api,
      webUi: plan.webUi,
      settings: { ...plan.shared, ...personalData, ...webhooks, ...payloads },
    });
    if (watch) watching.push(restartOnChange(servers));
    if (!signal.aborted) await once(signal, 'abort');
  } catch (error) {
    // A start that the signal interrupts ends in all kinds of errors, none of them worth showing.
    if (!signal.aborted) throw error;
  } finally {
    claim.announceStop();
    await servers.stopAll();
    for (const stopWatching of watching) stopWatching();
    claim.release();
  }
}

interface Start {
  plan: SystemPlan;
  /** The settings with the keys of personal data. */
  personalData: Readonly<Record<string, string>>;
  /** With the keys of webhooks' secrets, of the worker, too. */
  webhooks: Readonly<Record<string, string>>;
  /** With the keys of payloads, of all that speaks to Temporal or reads for people. */
  payloads: Readonly<Record<string, string>>;
  /** With the keys of sessions, of the API and the codec server. */
  sessions: Readonly<Record<string, string>>;
  settings: LocalSettings;
  folder: DataFolder;
  servers: Servers;
  /** The program of Prometheus, when it is to be started. */
  observer: string | undefined;
  signal: AbortSignal;
}

async function startSystem(start: Start): Promise<void> {
  const { plan, personalData, webhooks, payloads, sessions, settings, folder, servers, observer, signal } =
    start;
  const { api, webUi, environment } = plan;
  // First, because this machine may not have it.
  const cli = settings.TEMPORAL_ADDRESS === undefined ? await findCli(start) : undefined;
  await startDatabase(start);
  const key = await ensureDevelopmentKey(plan.shared.DATABASE_URL, folder.developmentKey);
  if (cli === undefined) await refuseUnlessTemporalAnswers(plan);
  // Its Web UI sends no credentials unless a person switches that on, so its address of the codec server has them.
  else await startLocalTemporal(start, cli, plan.isLocal ? `${plan.codec}/${key}` : plan.codec);
  const env = {
    // Receivers that are being written are on this machine.
    ...(plan.isLocal && {
      WEBHOOK_ALLOWED_NETWORKS: LOOPBACK_NETWORKS,
      DEVELOPMENT_KEY: key,
      // Its secret is known to everybody: only an API that this machine alone can call may believe it.
      ...localProviderSettings(environment, settings.PROVIDER_PORT),
    }),
    ...environment,
    ...webhooks,
    ...payloads,
  };
  await allDone([
    servers.launch('Worker', (options) =>
      startWorker({ ...options, env: { ...env, ...plan.metrics.worker } }),
    ),
    servers.launch('API', (options) =>
      startApi({
        ...options,
        env: { ...env, ...personalData, ...sessions, ...plan.metrics.api },
        address: api,
      }),
    ),
    servers.launch('Codec', (options) =>
      startCodec({
        ...options,
        env: {
          ...originsOf(plan),
          ...env,
          ...sessions,
          HOST: '127.0.0.1',
          CODEC_PORT: String(plan.ports.codec),
        },
        address: plan.codec,
      }),
    ),
  ]);
  const prometheus = observer === undefined ? undefined : await startObserver(observer, start);
  const [wallet] = await step('demo catalogue', () =>
    ensureDemoCatalogue(new ApiClient(fetchFrom(api), { key })),
  );
  signal.throwIfAborted();
  say(
    welcome(
      {
        api,
        webUi,
        prometheus,
        key,
        keyFile: folder.shown(folder.developmentKey),
        logs: folder.shown(folder.logs),
      },
      wallet,
    ),
  );
}

/** The pages of the Web UI, by both names of this machine. */
const originsOf = ({ webUi }: SystemPlan): NodeJS.ProcessEnv =>
  webUi === undefined ? {} : { CODEC_ORIGINS: `${webUi},${webUi.replace('127.0.0.1', 'localhost')}` };

/** Unlike Promise.all, it leaves nothing under way when one fails. */
async function allDone(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === 'rejected') throw result.reason;
}

function findCli({ settings, signal }: Start): Promise<TemporalCli> {
  return step('temporal command', () => findTemporalCli(settings, { report: say, signal }));
}

async function startDatabase({ plan, settings, folder, servers }: Start): Promise<void> {
  const { DATABASE_URL } = plan.shared;
  if (settings.DATABASE_URL === undefined) {
    await servers.launch('PostgreSQL', (options) =>
      startPostgres({
        ...options,
        dataFolder: folder.postgres,
        port: plan.ports.postgres,
        durable: true,
        report: say,
      }),
    );
    await step('schema', () => migrateDatabase(DATABASE_URL));
    return;
  }
  try {
    await step('schema in the database of DATABASE_URL', () => migrateDatabase(DATABASE_URL));
  } catch (error) {
    throw new UserError(`The database of DATABASE_URL cannot be used: ${messageOf(error)}`);
  }
}

async function startLocalTemporal(
  { plan, folder, servers }: Start,
  cli: TemporalCli,
  codecEndpoint: string,
): Promise<void> {
  await servers.launch('Temporal', (options) =>
    startTemporal({
      ...options,
      cli,
      port: plan.ports.temporal,
      uiPort: plan.ports.webUi,
      codecEndpoint,
      databaseFile: folder.temporalDatabase,
      namespace: plan.shared.TEMPORAL_NAMESPACE,
      ...(plan.ports.metrics.temporal !== 0 && { metricsPort: plan.ports.metrics.temporal }),
    }),
  );
}

async function refuseUnlessTemporalAnswers({ shared }: SystemPlan): Promise<void> {
  const { TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE } = shared;
  if (await isTemporalReady(TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE)) return;
  throw new UserError(
    `No Temporal server with a namespace ${TEMPORAL_NAMESPACE} answers at ${TEMPORAL_ADDRESS}.\n` +
      'Correct TEMPORAL_ADDRESS, or unset it to have a server started here.',
  );
}

function showAllLogs(folder: DataFolder): () => void {
  const names = ['PostgreSQL', 'Temporal', 'Worker', 'API', 'Codec'] as const;
  return showLogs(
    names.map((name) => ({ name, file: logFileOf(folder, name) })),
    say,
  );
}

function restartOnChange(servers: Servers): () => void {
  return watchSources(ROOT, SOURCES, (file) => {
    say(`${file} changed. Restarting worker and API.`);
    servers.restart('Worker', 'API', 'Codec');
  });
}
