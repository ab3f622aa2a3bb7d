/** Links to the queries by which workflows are found in Temporal's Web UI. */
import { html } from 'hono/html';
import { queryUrl, type WebUi } from '../../domain/web-ui.ts';
import { QUERY_NAMES, workflowQuery } from '../../domain/workflow-queries.ts';
import { sentence, type Html } from './html.ts';

export const savedQueries = (webUi: WebUi, now: Date): Html =>
  html`<section aria-labelledby="queries">
    <h2 id="queries">In the Web UI</h2>
    <ul class="legend">
      ${QUERY_NAMES.map(
        (name) =>
          html`<li>
            <a href="${queryUrl(webUi, workflowQuery(name, now))}" rel="noreferrer">${sentence(name)}</a>
          </li>`,
      )}
    </ul>
  </section>`;
