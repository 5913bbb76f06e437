/** Figures with their units, short enough for a table. */

const SI = ['', 'k', 'M', 'G', 'T'];

/** `1.84 GB/s`, `12.3 M records/s`, `171 us`, `64.0 MB`; `-` for none. */
export function formatFigure(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '-';
  const [first = '', ...rest] = unit.split('/');
  const isBytes = first === 'bytes' || first === 'B';
  if (!isBytes && !unit.includes('/s')) return `${digits(value)} ${unit}`.trimEnd();
  const { figure, prefix } = scaled(value);
  const suffix = rest.length === 0 ? '' : `/${rest.join('/')}`;
  if (isBytes) return `${figure} ${prefix}B${suffix}`;
  if (first === '') return `${figure}${prefix}${suffix}`;
  return [figure, prefix, `${first}${suffix}`].filter((part) => part !== '').join(' ');
}

/** `845 MB/s .. 1.2 GB/s`, `1.1 .. 1.2 GB/s`, `941 k .. 1.36 M records/s`; `-` for none. */
export function formatRange(min: number | null, max: number | null, unit: string): string {
  const [low, high] = [formatFigure(min, unit), formatFigure(max, unit)];
  if (low === '-' || high === '-') return '-';
  const tail = high.slice(high.lastIndexOf(' '));
  return `${tail !== high && low.endsWith(tail) ? low.slice(0, -tail.length) : low} .. ${high}`;
}

/** `+12 %`, `-3.4 %`, `0 %`; empty for none. */
export function formatChange(change: number | null): string {
  if (change === null || !Number.isFinite(change)) return '';
  const percent = change * 100;
  const text = Number(percent.toFixed(Math.abs(percent) < 10 ? 1 : 0));
  return `${text > 0 ? '+' : ''}${text === 0 ? 0 : text} %`;
}

/** Three significant digits, without an exponent; thousands separated. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  const rounded = Number(value.toPrecision(3));
  if (size !== 0 && size < 1e-6) return rounded.toExponential();
  return String(rounded);
}

function scaled(value: number): { readonly figure: string; readonly prefix: string } {
  let rest = value;
  let step = 0;
  while (Math.abs(rest) >= 1000 && step < SI.length - 1) {
    rest /= 1000;
    step++;
  }
  return { figure: digits(rest), prefix: SI[step] ?? '' };
}
