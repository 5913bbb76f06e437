/**
 * The drawings of the report page, as SVG in percent of their box, so that they fit any width
 * without shrinking their text.
 */
import { formatFigure } from './figures.ts';
import { element, type Markup } from './markup.ts';

export interface Bar {
  /** What it shows, in a sentence: what a screen reader reads out. */
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** The value at the right end. */
  readonly full: number;
  readonly className: string;
}

/** A median as a bar from 0, with a whisker from the smallest to the largest run. */
export function barChart({ label, value, min, max, full, className }: Bar): Markup {
  const [low, high] = [share(min, full), share(max, full)];
  const tick = (at: string) => line('whisker', [at, '25%'], [at, '75%']);
  return drawing('bar', label, [
    rectangle(`fill ${className}`, share(value, full)),
    line('whisker', [low, '50%'], [high, '50%']),
    tick(low),
    tick(high),
  ]);
}

/** Where the goal line stands: what is twice as much, or more, fills the bar. */
const GOAL_LINE = 0.5;

export interface GoalBar {
  readonly label: string;
  /** Value / goal line; null: nothing to draw but the line. */
  readonly reached: number | null;
  readonly className: string;
}

/** A value beside its goal line, which always stands in the middle. */
export function goalChart({ label, reached, className }: GoalBar): Markup {
  const middle = percent(GOAL_LINE);
  return drawing('bar', label, [
    ...(reached === null ? [] : [rectangle(`fill ${className}`, percent(reached * GOAL_LINE))]),
    line('goal-line', [middle, '0%'], [middle, '100%']),
  ]);
}

/** A line of the percentile chart: microseconds by percentile. */
export interface LatencyLine {
  readonly name: string;
  /** Index of its colour and of the letter at its end. */
  readonly index: number;
  /** In the order of the axis; null where it has none. */
  readonly valuesUs: readonly (number | null)[];
}

const CHART_HEIGHT = 260;
const PLOT = { left: 0.14, right: 0.95, top: 12, bottom: CHART_HEIGHT - 28 };

/** Letters tell the lines apart without colour. */
export function lineLetter(index: number): string {
  return String.fromCodePoint('A'.charCodeAt(0) + (index % 26));
}

/** Percentiles to the right, evenly spaced; microseconds upwards, each decade as high as the next. */
export function percentileChart(
  label: string,
  percentiles: readonly string[],
  lines: readonly LatencyLine[],
): Markup {
  const decades = decadesOf(lines.flatMap(({ valuesUs }) => valuesUs));
  const x = (index: number) =>
    percent(PLOT.left + ((PLOT.right - PLOT.left) * index) / Math.max(1, percentiles.length - 1));
  const y = (valueUs: number) => heightOf(valueUs, decades);
  const picture = [
    ...decades.map((decade) => gridLine(decade, y(decade))),
    ...percentiles.map((name, index) =>
      text(name, { x: x(index), y: CHART_HEIGHT - 8, 'text-anchor': 'middle' }),
    ),
    ...lines.flatMap((own) => drawLine(own, x, y)),
  ];
  return element(
    'svg',
    { role: 'img', 'aria-label': label, height: CHART_HEIGHT, class: 'percentiles' },
    element('title', {}, label),
    picture,
  );
}

function drawLine(
  { index, valuesUs }: LatencyLine,
  x: (index: number) => string,
  y: (valueUs: number) => number,
): Markup[] {
  const className = `l${index % 6}`;
  const points = valuesUs.flatMap((valueUs, at) =>
    valueUs === null || valueUs <= 0 ? [] : [[x(at), round(y(valueUs))] as const],
  );
  const segments = points.slice(1).map((to, at) => line(className, points[at] ?? to, to));
  const dots = points.map(([cx, cy]) => element('circle', { class: className, cx, cy, r: 3 }));
  const [endX = '0%', endY = 0] = points.at(-1) ?? [];
  const letter = { class: `mark ${className}`, x: endX, y: endY + 4, dx: 8 };
  return [...segments, ...dots, ...(points.length === 0 ? [] : [text(lineLetter(index), letter)])];
}

function gridLine(decadeUs: number, y: number): Markup[] {
  const label = formatLatency(decadeUs);
  return [
    line('grid', [percent(PLOT.left), round(y)], [percent(PLOT.right), round(y)]),
    text(label, { x: percent(PLOT.left), y: round(y + 4), dx: -6, 'text-anchor': 'end' }),
  ];
}

/** Powers of ten around all values. */
function decadesOf(valuesUs: readonly (number | null)[]): readonly number[] {
  const known = valuesUs.filter((valueUs) => valueUs !== null && valueUs > 0) as number[];
  if (known.length === 0) return [1, 10];
  const low = Math.floor(Math.log10(Math.min(...known)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...known))));
  return Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
}

function heightOf(valueUs: number, decades: readonly number[]): number {
  const [low = 1] = decades;
  const full = Math.max(1, decades.length - 1);
  const part = (Math.log10(valueUs) - Math.log10(low)) / full;
  return PLOT.bottom - (PLOT.bottom - PLOT.top) * part;
}

/** `171 us`, `7.8 ms`, `1.2 s` */
export function formatLatency(valueUs: number): string {
  if (valueUs < 1000) return formatFigure(valueUs, 'µs');
  if (valueUs < 1e6) return formatFigure(valueUs / 1e3, 'ms');
  return formatFigure(valueUs / 1e6, 's');
}

function drawing(className: string, label: string, children: Markup[]): Markup {
  const attributes = { class: className, role: 'img', 'aria-label': label };
  return element('svg', attributes, element('title', {}, label), children);
}

function rectangle(className: string, width: string): Markup {
  return element('rect', { class: className, x: 0, y: '12%', width, height: '76%', rx: 2 });
}

type Point = readonly [x: string | number, y: string | number];

function line(className: string, [x1, y1]: Point, [x2, y2]: Point): Markup {
  return element('line', { class: className, x1, y1, x2, y2 });
}

function text(content: string, attributes: Readonly<Record<string, string | number>>): Markup {
  return element('text', attributes, content);
}

function share(value: number, full: number): string {
  return percent(full > 0 ? value / full : 0);
}

/** Within the box: what is negative begins at its edge, what is beyond ends there. */
function percent(part: number): string {
  return `${round(Math.min(1, Math.max(0, Number.isNaN(part) ? 0 : part)) * 100)}%`;
}

function round(value: number): number {
  return Number(value.toFixed(2));
}
