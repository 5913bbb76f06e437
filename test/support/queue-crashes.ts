/** Crashes a program on a store at every call that it makes, and looks at what each leaves. */
import type { Store } from '../../src/store/store.ts';
import type { StoreDisk } from './store-disk.ts';

export interface CrashedProgram {
  /** The store, closed, before the program. */
  readonly disk: StoreDisk;
  readonly run: (store: Store) => Promise<unknown>;
  /** Looks at the store behind a crash. Expects what holds, and returns a word for what was found. */
  readonly look: (store: Store, mishap: Mishap) => Promise<string>;
}

export type Mishap = 'power cut' | 'kill' | 'none';

const WHENS = ['before', 'inside', 'after'] as const;

/**
 * Runs the program once for each call and moment, and once to its end.
 *
 * @returns how often each word was found
 */
export async function crashAtEveryCall(program: CrashedProgram): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const { look, disk } = program;
  for (let call = 1, isDone = false; !isDone; call++) {
    for (const when of WHENS) {
      const crashed = disk.copy();
      const store = await crashed.open();
      crashed.fileSystem.crashAt = { call: crashed.fileSystem.callCount + call, when };
      const outcome = await crashed.drive(program.run(store));
      if (outcome.status === 'failed') throw outcome.error;
      isDone = outcome.status === 'done';
      if (isDone) crashed.fileSystem.crashAt = null;
      const mishaps: readonly Mishap[] = isDone ? ['none'] : ['power cut', 'kill'];
      for (const mishap of mishaps) {
        const { fileSystem } = crashed;
        if (mishap === 'power cut') crashed.cutPower();
        else if (mishap === 'kill') crashed.kill();
        else await store.close();
        const again = await crashed.open();
        const word = await look(again, mishap);
        found.set(word, (found.get(word) ?? 0) + 1);
        await again.close();
        crashed.fileSystem = fileSystem;
      }
    }
  }
  return found;
}
