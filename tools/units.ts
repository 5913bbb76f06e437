/** Numbers for people, and durations from people. Machine output never goes through here. */

const THOUSANDS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const BYTE_UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `20,000` */
export function formatCount(count: number): string {
  return THOUSANDS.format(count);
}

/** `1 record`, `2 records`, `1 batch`, `3 batches`, `2 entries` */
export function formatPlural(count: number, singular: string): string {
  return `${formatCount(count)} ${count === 1 ? singular : pluralOf(singular)}`;
}

function pluralOf(singular: string): string {
  if (/(?:ch|sh|s|x)$/.test(singular)) return `${singular}es`;
  if (/[^aeiou]y$/.test(singular)) return `${singular.slice(0, -1)}ies`;
  return `${singular}s`;
}

/** `512 B`, `1.5 KiB`, `64 MiB` */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes;
  let unit = '';
  for (const next of BYTE_UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${Number(value.toFixed(value < 10 ? 2 : 1))} ${unit}`;
}

const SIZE = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)?$/i;

/** Bytes in `1048576`, `64KiB`, `1.5 GiB`; null when it is no size. */
export function parseBytes(text: string): number | null {
  const [, amount, unit = 'b'] = SIZE.exec(text) ?? [];
  if (amount === undefined) return null;
  const exponent = ['b', 'kib', 'mib', 'gib', 'tib'].indexOf(unit.toLowerCase());
  return Math.floor(Number(amount) * 1024 ** exponent);
}

/** `420 µs`, `35 ms`, `1.25 s`, `3 min 20 s` */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1) return `${Math.round(durationMs * 1000)} µs`;
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${Number((durationMs / 1000).toFixed(2))} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${formatCount(Math.floor(seconds / 60))} min ${seconds % 60} s`;
}

/** ISO 8601 in UTC; the number itself when it is no date, which a damaged header may hold. */
export function formatTime(timeMs: number): string {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? `${timeMs} ms` : date.toISOString();
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/;
const DURATION_PART = /(\d+(?:\.\d+)?)(ms|[smhdw])/g;

/** Milliseconds in `500ms`, `15m`, `1h30m`, `2d`; null when it is not a duration. */
export function parseDuration(text: string): number | null {
  if (!DURATION.test(text)) return null;
  let totalMs = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(DURATION_PART)) {
    totalMs += Number(amount) * (UNIT_MS[unit] ?? 0);
  }
  return totalMs;
}
