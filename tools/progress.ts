/** How far work has come that counts towards an end: a `StatusLine` with a bar on a terminal, a share elsewhere. */
import { barOf, StatusLine, type StatusLineOptions } from './status-line.ts';
import { formatCount, formatPlural } from './units.ts';

export interface ProgressOptions extends StatusLineOptions {
  /** What is done, such as `appending`. */
  readonly label: string;
  /** What is counted, in the singular. */
  readonly unit: string;
  /** Where it ends; null when unknown. */
  readonly total: number | null;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #line: StatusLine;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#line = new StatusLine(options);
  }

  /** Shows `count` when the last line is old enough. Cheap enough for every batch. */
  update(count: number): void {
    this.#line.update(() => this.#textOf(count));
  }

  /** Clears the line, so that what is printed next starts on a clean one. */
  end(): void {
    this.#line.end();
  }

  #textOf(count: number): string {
    const { label, unit, total } = this.#options;
    if (total === null) return `${label}: ${formatPlural(count, unit)}`;
    const share = total === 0 ? 1 : Math.min(1, count / total);
    const counts = `${formatCount(count)} of ${formatPlural(total, unit)}`;
    if (this.#line.isTerminal) return `${label} ${barOf(share)} ${counts}`;
    return `${label}: ${counts} (${Math.floor(share * 100)} %)`;
  }
}
