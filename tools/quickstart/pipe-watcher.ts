/**
 * A member's side of the pipes to the process that watches it: what it did goes to stdout
 * (`reading-ledger.ts`), each byte on stdin grants a batch.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import type { MemberWatcher } from './group-work.ts';

const STDOUT = 1;

export class PipeWatcher implements MemberWatcher {
  #turns = 0;

  async turn(): Promise<void> {
    while (this.#turns === 0) {
      const granted: unknown = process.stdin.read();
      if (granted instanceof Uint8Array) this.#turns += granted.length;
      else await once(process.stdin, 'readable');
    }
    this.#turns -= 1;
  }

  onRead(partition: number, first: number, next: number): void {
    say(`read ${partition} ${first} ${next}`);
  }

  onCommit(partition: number, offset: number): void {
    say(`commit ${partition} ${offset}`);
  }

  /** Lets the process end. */
  close(): void {
    process.stdin.destroy();
  }
}

/** Synchronously: it is on the pipe before the next thing happens, and a pipe outlives its writer. */
function say(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}
