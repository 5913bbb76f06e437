/**
 * The text keys of one `appendBatch`, turned into bytes by one call instead of one for each.
 *
 * @hot `add` and `copyTo` per record; everything else once per call.
 *
 * A string has to be asked for each of its characters (95 ns for 16), or handed to native code for
 * as much. Joined, a thousand keys cost 17 ns each, and 17 more to be copied from here.
 */
import { viewOf } from './u64.ts';

/** Keys beyond are written one by one: so much is kept for the next call. */
const CHARS_MAX = 256 * 1024;
/** Longer keys are written one by one: there a call into native code is cheaper than our loop. */
const KEY_CHARS_MAX = 64;
const UTF8_CHAR_BYTES_MAX = 4;

export class KeyTexts {
  /** All keys, one behind the other. */
  #bytes: Buffer = Buffer.alloc(16 * 1024);
  #view: DataView = viewOf(this.#bytes);
  #text = '';

  /** Forgets the keys. */
  reset(): void {
    this.#text = '';
  }

  /** Takes a key along; returns where its bytes will stand if all are ASCII, -1 = not taken. */
  add(key: string): number {
    const at = this.#text.length;
    if (key.length > KEY_CHARS_MAX || at + key.length > CHARS_MAX) return -1;
    this.#text += key;
    return at;
  }

  /** Turns all into bytes. @returns whether they are ASCII, and so stand where `add` said */
  encode(): boolean {
    const text = this.#text;
    this.#text = '';
    // With room for one more character, whatever is not ASCII shows in the number of bytes.
    const bytesMin = text.length + UTF8_CHAR_BYTES_MAX;
    if (bytesMin > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(2 * bytesMin);
      this.#view = viewOf(this.#bytes);
    }
    return this.#bytes.write(text, 'utf8') === text.length;
  }

  /** Copies `count` bytes that stand at `from`, without the cost of a call into native code. */
  copyTo(to: DataView, toAt: number, from: number, count: number): void {
    const view = this.#view;
    let at = 0;
    for (; at + 4 <= count; at += 4) {
      to.setUint32(toAt + at, view.getUint32(from + at, true), true);
    }
    for (; at < count; at++) to.setUint8(toAt + at, view.getUint8(from + at));
  }
}
