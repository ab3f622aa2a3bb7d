/** The pages of findings: the list, and one with what may be decided about it. */
import { Hono, type Context } from 'hono';
import { html } from 'hono/html';
import { listFindings } from '../../db/findings.ts';
import { FINDING_STATES } from '../../db/schema/operations.ts';
import { ALL_SHOPS } from '../../domain/shops.ts';
import { offerChoices, requireFinding, type FindingServers } from '../findings/read.ts';
import { canRepair } from '../findings/repair.ts';
import type { BodyLimits } from '../http/body.ts';
import { Problem } from '../problems/problem.ts';
import { sendPage } from './answers.ts';
import type { SendCommand } from './commands.ts';
import type { DeskEnv } from './env.ts';
import { describeFinding } from './finding-page.ts';
import { decisionForms } from './decision-forms.ts';
import { readForm, requireToken } from './forms.ts';
import { requireRight } from './gate.ts';
import { age, notice, refusal, runbookLink, sentence, table, type Filled } from './html.ts';

const ID = '{[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}}';
const SHOWN = 50;

/** What was done, by the action that its form names. */
const DONE: Readonly<Record<string, string>> = {
  resolve: 'It was decided.',
  repair: 'It was repaired.',
};

export interface FindingRoutesOptions extends Omit<FindingServers, 'database'> {
  send: SendCommand;
  limits: BodyLimits;
}

export function findingRoutes({ send, limits, ...servers }: FindingRoutesOptions): Hono<DeskEnv> {
  const app = new Hono<DeskEnv>();

  app.get('/findings', requireRight('listFindings'), (c) => showFindings(c));
  app.use(`/findings/:id${ID}`, requireRight('getFinding'));
  app.get(`/findings/:id${ID}`, (c) => showFinding(c, c.req.param('id')));

  app.post(`/findings/:id${ID}`, async (c) => {
    const form = await readForm(c, limits);
    requireToken(form, c.var.visitor.formToken);
    const id = c.req.param('id');
    const action = form.get('action') ?? '';
    if (!Object.hasOwn(DONE, action))
      throw new Problem('validation_failed', 'The form names no action that there is.');
    const signed = { actor: form.get('actor') ?? '', reason: form.get('reason') ?? '' };
    const refused = await send(c, {
      path: `/v1/findings/${id}/${action}`,
      body: action === 'resolve' ? { choice: form.get('choice') ?? '', ...signed } : signed,
      key: form.get('key') ?? '',
      // Some findings belong to no shop that is known.
      shop: c.var.visitor.shop ?? ALL_SHOPS,
    });
    if (refused === undefined) return c.redirect(`/ops/findings/${id}?done=${action}`, 303);
    return showFinding(c, id, { action, form, refused });
  });

  return app;

  async function showFinding(c: Context<DeskEnv>, id: string, filled?: Filled): Promise<Response> {
    const { visitor, database } = c.var;
    const reach = { ...servers, database };
    const finding = await requireFinding(reach, id);
    // Each choice is tried, so only for who may make one.
    const choices = visitor.may('resolveFinding') ? await offerChoices(reach, finding) : [];
    const isRepairable = finding.state === 'open' && canRepair(finding.kind) && visitor.may('repairFinding');
    return sendPage(
      c,
      {
        title: sentence(finding.kind),
        current: '/ops/findings',
        content: html`${notice(DONE[c.req.query('done') ?? ''])} ${filled && refusal(filled.refused)}
        ${describeFinding(finding, new Date())}
        ${decisionForms(visitor, { id, choices, isRepairable }, filled)}`,
      },
      filled?.refused.status ?? 200,
    );
  }
}

async function showFindings(c: Context<DeskEnv>): Promise<Response> {
  const state = FINDING_STATES.find((one) => one === c.req.query('state')) ?? 'open';
  const rows = await listFindings(c.var.database, { state }, { before: undefined, limit: SHOWN });
  const now = new Date();
  return sendPage(c, {
    title: 'Findings',
    current: '/ops/findings',
    content: html`<nav aria-label="States">
        <ul>
          ${FINDING_STATES.map(
            (one) =>
              html`<li>
                <a href="/ops/findings?state=${one}" ${one === state ? html`aria-current="true"` : ''}
                  >${sentence(one)}</a
                >
              </li>`,
          )}
        </ul>
      </nav>
      ${
        rows.length === 0
          ? html`<p role="status">There is none.</p>`
          : table(
              `What is ${state}, newest first`,
              ['Finding', 'What is wrong', 'First seen', 'Next step'],
              rows.map(
                ({ id, kind, finding, firstSeen }) =>
                  html`<tr>
                    <th scope="row"><a href="/ops/findings/${id}">${sentence(kind)}</a></th>
                    <td>${finding}</td>
                    <td>${age(firstSeen, now)}</td>
                    <td>${runbookLink(kind)}</td>
                  </tr>`,
              ),
            )
      }`,
  });
}
