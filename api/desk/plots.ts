/** Plots as SVG, drawn on the server: one column or one point for each minute. Words and numbers are beside them, so that they can be read. */
import { html } from 'hono/html';
import type { Html } from './html.ts';

const WIDTH = 600;
const HEIGHT = 120;

export interface Frame {
  title: string;
  /** When the first minute begins, and the last one ends. */
  from: Date;
  to: Date;
}

/** A value for each minute; null where nothing was measured. */
export interface LinePlot extends Frame {
  values: readonly (number | null)[];
  /** A number as its reader expects it, with its unit. */
  format: (value: number) => string;
}

/** What came to each outcome in each minute, one list per outcome. */
export interface ColumnPlot extends Frame {
  series: readonly { name: string; label: string; values: readonly number[] }[];
}

const clock = (at: Date): string => at.toISOString().slice(11, 16);
const round = (value: number): number => Math.round(value * 100) / 100;

export function linePlot({ values, format, ...frame }: LinePlot): Html {
  const measured = values.filter((value) => value !== null);
  const most = Math.max(0, ...measured);
  const now = values.at(-1) ?? null;
  const says =
    measured.length === 0
      ? 'Nothing was measured.'
      : `${now === null ? 'Now not measured' : `Now ${format(now)}`}, at most ${format(most)}.`;
  const top = most || 1;
  const y = (value: number): number => round(HEIGHT - (value / top) * (HEIGHT - 4) - 2);
  const x = (index: number): number => round((index / Math.max(1, values.length - 1)) * WIDTH);
  return figure(
    frame,
    says,
    html`${stretches(values).map(
      (stretch) =>
        html`<polyline
          class="line"
          points="${stretch.map(([index, value]) => `${x(index)},${y(value)}`).join(' ')}"
        />`,
    )}`,
    '',
  );
}

export function columnPlot({ series, ...frame }: ColumnPlot): Html {
  const minutes = Math.max(0, ...series.map(({ values }) => values.length));
  const sumAt = (minute: number): number =>
    series.reduce((sum, { values }) => sum + (values[minute] ?? 0), 0);
  const most = Math.max(0, ...Array.from({ length: minutes }, (_, minute) => sumAt(minute)));
  const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  const width = WIDTH / Math.max(1, minutes);
  const columns = Array.from({ length: minutes }, (_, minute) => {
    let below = 0;
    return series.map(({ name, values }) => {
      const height = ((values[minute] ?? 0) / (most || 1)) * HEIGHT;
      below += height;
      return height === 0
        ? ''
        : html`<rect
            class="${name}"
            x="${round(minute * width)}"
            y="${round(HEIGHT - below)}"
            width="${round(width * 0.9)}"
            height="${round(height)}"
          />`;
    });
  });
  return figure(
    frame,
    most === 0 ? 'Nothing happened.' : `At most ${most} in a minute.`,
    html`${columns}`,
    html`<ul class="legend">
      ${series.map(
        ({ name, label, values }) =>
          html`<li>
            <svg class="swatch" viewBox="0 0 1 1" aria-hidden="true">
              <rect class="${name}" width="1" height="1" />
            </svg>
            ${label}: ${total(values)}
          </li>`,
      )}
    </ul>`,
  );
}

/** @param says the plot in a sentence, for those who do not see it and those who do. */
const figure = ({ title, from, to }: Frame, says: string, drawn: Html, below: Html | string): Html =>
  html`<figure>
    <figcaption>${title}</figcaption>
    <p>${says}</p>
    <svg
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none"
      role="img"
      aria-label="${title}: ${says}"
    >
      ${drawn}
    </svg>
    <p class="ends note"><span>${clock(from)} UTC</span><span>${clock(to)} UTC</span></p>
    ${below}
  </figure>`;

/** The points between gaps. */
function stretches(values: readonly (number | null)[]): [index: number, value: number][][] {
  const found: [number, number][][] = [];
  let current: [number, number][] = [];
  for (const [index, value] of values.entries()) {
    if (value === null) {
      if (current.length > 0) found.push(current);
      current = [];
    } else current.push([index, value]);
  }
  return current.length > 0 ? [...found, current] : found;
}
