/**
 * What goes on, in one line on stderr: redrawn on a terminal, a plain line now and then elsewhere.
 *
 * Long work in a log file or a CI job should show that it lives, and not fill the file.
 */
import type { Writable } from 'node:stream';
import { systemClock, type Clock } from '../src/core/clock.ts';

/** Redraws per second on a terminal: smooth, and free. */
const REDRAW_MS = 100;
/** Between plain lines. */
const PLAIN_LINE_MS = 5000;
const BAR_CELLS = 24;

export interface StatusLineOptions {
  readonly stream: Writable & { readonly isTTY?: boolean };
  readonly isQuiet: boolean;
  readonly clock?: Clock;
}

export class StatusLine {
  readonly isTerminal: boolean;
  readonly #stream: Writable;
  readonly #isQuiet: boolean;
  readonly #intervalMs: number;
  readonly #clock: Clock;
  #lastMs: number;
  #isDrawn = false;

  constructor({ stream, isQuiet, clock = systemClock }: StatusLineOptions) {
    this.isTerminal = stream.isTTY === true;
    this.#stream = stream;
    this.#isQuiet = isQuiet;
    this.#intervalMs = this.isTerminal ? REDRAW_MS : PLAIN_LINE_MS;
    this.#clock = clock;
    this.#lastMs = clock.monotonic();
  }

  /** Shows what `line` says when the last one is old enough. Cheap enough for every batch. */
  update(line: () => string): void {
    if (this.#isQuiet) return;
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#lastMs < this.#intervalMs) return;
    this.#lastMs = nowMs;
    this.#stream.write(this.isTerminal ? `\r\u001B[2K${line()}` : `${line()}\n`);
    this.#isDrawn = this.isTerminal;
  }

  /** Clears the line, so that what is printed next starts on a clean one. */
  end(): void {
    if (this.#isDrawn) this.#stream.write('\r\u001B[2K');
    this.#isDrawn = false;
  }
}

/** `[######..................]` */
export function barOf(share: number): string {
  const cells = Math.round(share * BAR_CELLS);
  return `[${'#'.repeat(cells)}${'.'.repeat(BAR_CELLS - cells)}]`;
}
