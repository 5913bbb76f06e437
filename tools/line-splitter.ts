/** Cuts a stream of bytes into lines without ever holding more than one line and one chunk. */
import { UsageError } from './command-error.ts';

const LINE_FEED = 0x0a;

/**
 * Lines of `source`, without their line feed, as bytes: nothing is decoded, so any bytes but the
 * line feed itself pass through unchanged, carriage returns included. Each array holds the lines
 * that one chunk completed.
 *
 * A last line without a line feed counts; the nothing after a final line feed does not.
 *
 * @param lineBytesMax  a longer line is refused before it is gathered
 * @throws UsageError naming the line
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array | string>,
  lineBytesMax: number,
): AsyncGenerator<Uint8Array[]> {
  const splitter = new LineSplitter(lineBytesMax);
  for await (const chunk of source) {
    const lines = splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    if (lines.length > 0) yield lines;
  }
  const last = splitter.end();
  if (last !== null) yield [last];
}

class LineSplitter {
  readonly #lineBytesMax: number;
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  #lineNumber = 1;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#gather(chunk.subarray(start, end));
      lines.push(this.#take());
      start = end + 1;
    }
    if (start < chunk.length) this.#gather(chunk.subarray(start));
    return lines;
  }

  /** The line that no line feed ended; null when there is none. */
  end(): Uint8Array | null {
    return this.#sizeBytes === 0 ? null : this.#take();
  }

  #gather(piece: Uint8Array): void {
    this.#sizeBytes += piece.length;
    if (this.#sizeBytes > this.#lineBytesMax) {
      const where = `line ${this.#lineNumber} of the input`;
      throw new UsageError(`${where} is longer than ${this.#lineBytesMax} bytes`);
    }
    this.#pieces.push(piece);
  }

  #take(): Uint8Array {
    const [only] = this.#pieces;
    const line =
      this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#sizeBytes = 0;
    this.#lineNumber += 1;
    return line;
  }
}
