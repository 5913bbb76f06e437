/**
 * Runs a simulation over many seeds, or tells the story of one: `SEED=` replays it, `VARVE_SEEDS` says how
 * many there are, `VARVE_FIRST_SEED` where they begin.
 */
import { expect } from 'vitest';

import type { SeedResult } from './machine.ts';
import { Tally } from './tally.ts';

/** Seeds are run a second time, one in so many: the same calls, bytes and answers (A18). */
const TWICE_EVERY = 40;
const FAILURES_SHOWN_MAX = 5;
const SEEDS = 2000;
/**
 * What is rare may be missing in a few hundred seeds, whichever they begin with: while anything is, as
 * many more are run, up to so many times.
 */
const ROUNDS_MAX = 8;

export interface SeededSimulation<K extends string> {
  /** Its folder or file in test/simulation, for the command that replays a seed. */
  readonly file: string;
  /** How many times what a log costs one of its seeds costs. */
  readonly cost: number;
  readonly simulate: (
    seed: number,
    tally: Tally<K>,
    narrate?: (what: string) => void,
  ) => Promise<SeedResult>;
  /** Per seed on average, half of what is usual; a run that stays below it exercised too little to count. */
  readonly tallyMin: Readonly<Partial<Record<K, number>>>;
  /** Fewer seeds than this say nothing about averages. */
  readonly talliedSeedsMin: number;
}

/** Fails with the seeds that failed, and how to replay them. */
export async function expectSeedsToPass<K extends string>(
  simulation: SeededSimulation<K>,
): Promise<void> {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const only = process.env['SEED'];
    if (only === undefined) {
      const first = Number(process.env['VARVE_FIRST_SEED'] ?? 1);
      const count = Math.ceil(Number(process.env['VARVE_SEEDS'] ?? SEEDS) / simulation.cost);
      await runMany(simulation, { first, count }, unhandled);
    } else await runOne(simulation, Number(only), unhandled);
  } finally {
    process.off('unhandledRejection', note);
  }
}

/** Seeds from `first` on, `count` of them, and as many again while the tally is short. */
export async function runMany<K extends string>(
  simulation: Omit<SeededSimulation<K>, 'cost'>,
  { first, count }: { readonly first: number; readonly count: number },
  unhandled: unknown[],
): Promise<void> {
  const tally = new Tally<K>();
  let end = first;
  let short: readonly string[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const failed = await runRound(simulation, { first: end, count }, { tally, unhandled });
    end += count;
    short = shortOf(simulation, tally, end - first);
    if (failed.length > 0) console.log(`simulated: ${tally.toString()}`);
    expect(failed.join('\n')).toBe('');
    if (short.length === 0 || count < simulation.talliedSeedsMin) break;
  }
  console.log(`simulated: ${tally.toString()}`);
  if (count >= simulation.talliedSeedsMin) expect(short.join('\n')).toBe('');
}

async function runRound<K extends string>(
  { file, simulate }: Pick<SeededSimulation<K>, 'file' | 'simulate'>,
  { first, count }: { readonly first: number; readonly count: number },
  { tally, unhandled }: { readonly tally: Tally<K>; readonly unhandled: unknown[] },
): Promise<string[]> {
  const failed: string[] = [];
  for (let seed = first; seed < first + count && failed.length < FAILURES_SHOWN_MAX; seed++) {
    const { violations, digest } = await simulate(seed, tally);
    const found = [
      ...violations,
      ...unhandled.splice(0).map((error) => `unhandled: ${String(error)}`),
    ];
    if (seed % TWICE_EVERY === 0) {
      const again = await simulate(seed, new Tally<K>());
      if (again.digest !== digest) found.push(`A18: ${digest} at first, ${again.digest} then`);
    }
    const replay = `SEED=${seed} npx vitest run --config test/vitest.config.ts test/simulation/${file}`;
    if (found.length > 0) failed.push(`${found.slice(0, 3).join('\n  ')}\n  ${replay}`);
  }
  return failed;
}

/** What so many seeds did too little of. */
function shortOf<K extends string>(
  { tallyMin }: Pick<SeededSimulation<K>, 'tallyMin'>,
  tally: Tally<K>,
  count: number,
): string[] {
  const short: string[] = [];
  for (const key in tallyMin) {
    const sumMin = (tallyMin[key] ?? 0) * count;
    const sum = tally.of(key);
    if (sum <= sumMin) short.push(`${key}: ${sum} in ${count} seeds, not more than ${sumMin}`);
  }
  return short;
}

async function runOne<K extends string>(
  { simulate }: SeededSimulation<K>,
  seed: number,
  unhandled: readonly unknown[],
): Promise<void> {
  const story: string[] = [];
  const { violations, digest } = await simulate(seed, new Tally<K>(), (what) => {
    story.push(what);
  });
  console.log([...story, `digest ${digest}`].join('\n'));
  expect(violations).toEqual([]);
  expect(unhandled).toEqual([]);
}
