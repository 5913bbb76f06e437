/** Figures for people: three digits and a unit. */
import { formatBytes } from '../../tools/units.ts';

const PREFIXES = [
  { factor: 1e9, prefix: 'G' },
  { factor: 1e6, prefix: 'M' },
  { factor: 1e3, prefix: 'k' },
];

/** `4.81 GB/s`, `3.2M records/s`, `512 MiB`, `171 us` */
export function formatFigure(value: number, unit: string): string {
  if (unit === 'bytes') return formatBytes(Math.round(value));
  const { digits, prefix } = scaled(value);
  if (unit === 'bytes/s') return `${digits} ${prefix}B/s`;
  if (unit.endsWith('/s')) return `${digits}${prefix} ${unit}`;
  return `${formatRatio(value)} ${unit}`.trimEnd();
}

/** `3.2M` */
export function formatScaled(value: number): string {
  const { digits, prefix } = scaled(value);
  return `${digits}${prefix}`;
}

/** `0.312`, `45`, `205` */
export function formatRatio(value: number): string {
  return String(value >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
}

function scaled(value: number): { readonly digits: string; readonly prefix: string } {
  const step = PREFIXES.find(({ factor }) => value >= factor) ?? { factor: 1, prefix: '' };
  return { digits: formatRatio(value / step.factor), prefix: step.prefix };
}
