/** How long the tests of power cuts run, and which rounds. */

/** Of `VARVE_CRASH_CYCLES`, the kills of the longer crash test: a power cut costs 30 times more. */
const ROUNDS_PER_CYCLE = 0.03;
const CYCLES_DEFAULT = 1000;
/** Fewer may leave no torn tail or hole by chance, and the tests ask for some. */
const ROUNDS_MIN = 20;

/** Set where everything has to run: a test that skips is then a failure. */
export const REQUIRES_ALL = process.env['REQUIRE_ROOT_TESTS'] === '1';

export function roundsOf(): number {
  const cycles = Number(process.env['VARVE_CRASH_CYCLES'] ?? CYCLES_DEFAULT);
  return Math.max(ROUNDS_MIN, Math.round(cycles * ROUNDS_PER_CYCLE));
}

/** `SEED`, or another one each time. */
export function firstSeed(): number {
  return Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
}
