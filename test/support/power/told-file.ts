/**
 * What a process was told, written beside its log into a file that the shim traces with the rest: so of each moment of
 * the trace it is known, and the power can be cut at every one of them. Nothing of it need survive the cut.
 */
import { openSync, writeSync } from 'node:fs';

export class ToldFile {
  readonly #fd: number;
  #position = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx');
  }

  say(what: string, number: number): void {
    this.#position += writeSync(
      this.#fd,
      Buffer.from(`${what} ${number}\n`),
      0,
      null,
      this.#position,
    );
  }
}

/** All numbers that were said, in order, by what they are. */
export function toldIn(content: Uint8Array): ReadonlyMap<string, readonly number[]> {
  const told = new Map<string, number[]>();
  for (const line of Buffer.from(content).toString().split('\n').slice(0, -1)) {
    const [what = '', number = ''] = line.split(' ');
    told.set(what, [...(told.get(what) ?? []), Number(number)]);
  }
  return told;
}
