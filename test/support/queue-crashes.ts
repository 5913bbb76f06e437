/** Crashes a program on a store at every call that it makes, and looks at what each leaves. */
import { SeededRandom } from '../../src/core/random.ts';
import type { Store } from '../../src/store/store.ts';
import { imageKey } from './faults/image-key.ts';
import type { StoreDisk } from './store-disk.ts';

export interface CrashedProgram<C> {
  /** The store, closed, before the program. */
  readonly disk: StoreDisk;
  /** Runs before the first crash; opens the logs, for how they open is tested elsewhere. */
  readonly prepare: (store: Store, disk: StoreDisk) => Promise<C>;
  readonly run: (prepared: C) => Promise<unknown>;
  /** Looks at the store behind a crash. Expects what holds, and returns a word for what was found. */
  readonly look: (store: Store, mishap: Mishap, disk: StoreDisk) => Promise<string>;
  /** What the program was told by the crash: the same disk is looked at again for each. */
  readonly told?: () => string;
  /** Power cuts that leave some of what was not synced, beside the one that leaves nothing; default 0. */
  readonly randomCuts?: number;
}

export type Mishap = 'power cut' | 'kill' | 'none';

/** Before a call nothing is other than after the one before it. */
const WHENS = ['inside', 'after'] as const;

/**
 * Runs the program once for each call and moment, and once to its end.
 *
 * @returns in how many different states each word was found
 */
export async function crashAtEveryCall<C>(
  program: CrashedProgram<C>,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const seen = new Set<string>();
  const { look, disk, told = () => '', randomCuts = 0 } = program;
  for (let call = 1, isDone = false; !isDone; call++) {
    for (const when of WHENS) {
      const crashed = disk.copy();
      const store = await crashed.open();
      const prepared = await program.prepare(store, crashed);
      crashed.fileSystem.crashAt = { call: crashed.fileSystem.callCount + call, when };
      const outcome = await crashed.drive(program.run(prepared));
      if (outcome.status === 'failed') throw outcome.error;
      isDone = outcome.status === 'done';
      if (isDone) crashed.fileSystem.crashAt = null;
      const mishaps: readonly Mishap[] = isDone ? ['none'] : ['power cut', 'kill'];
      const disks: (readonly [Mishap, StoreDisk])[] = [];
      for (const mishap of mishaps) {
        const left = await afterMishap(crashed, store, { mishap, randomCuts, seed: call });
        disks.push(...left.map((each) => [mishap, each] as const));
      }
      for (const [mishap, left] of disks) {
        const key = `${mishap} ${told()} ${imageKey(left.fileSystem)}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const again = await left.open();
        const word = await look(again, mishap, left);
        found.set(word, (found.get(word) ?? 0) + 1);
        await again.close();
      }
    }
  }
  return found;
}

/** The disks that it may leave. */
async function afterMishap(
  disk: StoreDisk,
  store: Store,
  how: { readonly mishap: Mishap; readonly randomCuts: number; readonly seed: number },
): Promise<readonly StoreDisk[]> {
  const { mishap, randomCuts, seed } = how;
  if (mishap === 'none') await store.close();
  if (mishap !== 'power cut') return [disk.copy()];
  const random = Array.from({ length: randomCuts }, (_, cut) =>
    disk.copyAfterPowerCut({ random: new SeededRandom(seed * 1000 + cut) }),
  );
  return [disk.copyAfterPowerCut(), ...random];
}
