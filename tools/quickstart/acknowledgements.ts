/**
 * Acknowledged ranges on a pipe, from the writer to whoever survives it.
 *
 * A line is `first next`: the offsets from `first` up to but not including `next` are stored. It
 * is written synchronously, so that it is on the pipe before the next thing happens, and a pipe
 * outlives the process that wrote to it.
 */
import { writeSync } from 'node:fs';

/** Joins offsets that are acknowledged in one go, and writes them as one line. */
export class AcknowledgementWriter {
  readonly #fd: number;
  #firstOffset = 0;
  #nextOffset = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Offsets come in order; those of one group commit come within one turn of the event loop. */
  acknowledge(offset: number): void {
    if (offset !== this.#nextOffset) this.flush();
    if (this.#firstOffset === this.#nextOffset) {
      this.#firstOffset = offset;
      queueMicrotask(() => this.flush());
    }
    this.#nextOffset = offset + 1;
  }

  flush(): void {
    if (this.#firstOffset === this.#nextOffset) return;
    writeSync(this.#fd, `${this.#firstOffset} ${this.#nextOffset}\n`);
    this.#firstOffset = this.#nextOffset;
  }
}

/** Gathers the lines of a pipe; half a line at its end is no acknowledgement. */
export class AcknowledgementReader {
  readonly #offsets = new Set<number>();
  #partial = '';

  /** Offsets acknowledged so far. */
  get count(): number {
    return this.#offsets.size;
  }

  /** In ascending order. */
  get offsets(): number[] {
    return [...this.#offsets].sort((a, b) => a - b);
  }

  read(chunk: string): void {
    const lines = (this.#partial + chunk).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line);
  }

  #readLine(line: string): void {
    const [first, next] = line.split(' ').map(Number);
    if (first === undefined || next === undefined || !(first < next)) {
      throw new Error(`expected "first next" from the writer, got ${JSON.stringify(line)}`);
    }
    for (let offset = first; offset < next; offset++) this.#offsets.add(offset);
  }
}
