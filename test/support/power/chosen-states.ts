/** Which of the very many states that a power cut may leave are looked at. */
import { SeededRandom, randomBelow, type Random } from '../../../src/core/random.ts';
import type { CrashChoice } from '../crash-choice.ts';
import { crashStates } from '../crash-states.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { pick } from './writer-plan.ts';

/** All that was not synced is lost. */
export const NOTHING: CrashChoice = { data: 'none', names: 'none' };

/** The worst, and `count` each of those that have a name (half of them torn, if any are) and of mixes. */
export function chosenStates(
  fileSystem: FaultyFileSystem,
  random: Random,
  count: number,
): readonly { readonly name: string; readonly choice: CrashChoice }[] {
  const named = crashStates(fileSystem);
  const torn = named.filter(({ name }) => name.startsWith('torn'));
  const some = Array.from({ length: count }, (_, at) =>
    at % 2 === 0 && torn.length > 0 ? pick(random, torn) : pick(random, named),
  );
  const mixes = Array.from({ length: count }, () => {
    const mix = randomBelow(random, 2 ** 31);
    return { name: `mix ${mix}`, choice: { random: new SeededRandom(mix) } };
  });
  return [{ name: 'nothing unsynced', choice: NOTHING }, ...some, ...mixes];
}
