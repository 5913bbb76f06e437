/**
 * Progress on stderr: a line that is redrawn on a terminal, a plain line now and then elsewhere.
 *
 * Long work in a log file or a CI job should show that it lives, and not fill the file.
 */
import type { Writable } from 'node:stream';
import { systemClock, type Clock } from '../src/core/clock.ts';
import { formatCount, formatPlural } from './units.ts';

/** Redraws per second on a terminal: smooth, and free. */
const REDRAW_MS = 100;
/** Between plain lines. */
const PLAIN_LINE_MS = 5000;
const BAR_CELLS = 24;

export interface ProgressOptions {
  readonly stream: Writable & { readonly isTTY?: boolean };
  /** What is done, such as `appending`. */
  readonly label: string;
  /** What is counted, in the singular. */
  readonly unit: string;
  /** Where it ends; null when unknown. */
  readonly total: number | null;
  readonly isQuiet: boolean;
  readonly clock?: Clock;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #intervalMs: number;
  readonly #isTerminal: boolean;
  readonly #clock: Clock;
  #lastMs: number;
  #isDrawn = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#lastMs = this.#clock.monotonic();
    this.#isTerminal = options.stream.isTTY === true;
    this.#intervalMs = this.#isTerminal ? REDRAW_MS : PLAIN_LINE_MS;
  }

  /** Shows `count` when the last line is old enough. Cheap enough for every batch. */
  update(count: number): void {
    if (this.#options.isQuiet) return;
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#lastMs < this.#intervalMs) return;
    this.#lastMs = nowMs;
    const line = this.#line(count);
    this.#options.stream.write(this.#isTerminal ? `\r\u001B[2K${line}` : `${line}\n`);
    this.#isDrawn = this.#isTerminal;
  }

  /** Clears the line, so that what is printed next starts on a clean one. */
  end(): void {
    if (this.#isDrawn) this.#options.stream.write('\r\u001B[2K');
    this.#isDrawn = false;
  }

  #line(count: number): string {
    const { label, unit, total } = this.#options;
    if (total === null) return `${label}: ${formatPlural(count, unit)}`;
    const share = total === 0 ? 1 : Math.min(1, count / total);
    const counts = `${formatCount(count)} of ${formatPlural(total, unit)}`;
    if (!this.#isTerminal) return `${label}: ${counts} (${Math.floor(share * 100)} %)`;
    const cells = Math.round(share * BAR_CELLS);
    const bar = '#'.repeat(cells) + '.'.repeat(BAR_CELLS - cells);
    return `${label} [${bar}] ${counts}`;
  }
}
