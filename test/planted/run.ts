/**
 * `npm run test:planted [-- --only NN]`: plants one known bug after the other in a fresh copy of the
 * tree, builds it, runs the one test that the patch names, and wants it to be red by an assertion.
 * What counts as caught stands in `test/support/planted/verdict.ts`.
 *
 * The last line is `N passed, N failed`; exits 1 when a bug was not caught.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { packageRoot } from '../../tools/package-root.ts';
import { formatTable } from '../../tools/table.ts';
import { plantedBugsIn, type PlantedBug } from '../support/planted/planted-bug.ts';
import { plantTree } from '../support/planted/planted-tree.ts';
import { judge, type Attempt, type TestOutcome, type Verdict } from '../support/planted/verdict.ts';

/** A build and a test run keep more than one core busy. */
const AT_ONCE_MAX = 2;
const REASON_LENGTH_MAX = 100;

const MISSING: TestOutcome = { status: 'missing', failures: [] };

interface Result extends Verdict {
  readonly bug: PlantedBug;
  readonly seconds: number;
}

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const root = packageRoot();
const bugs = plantedBugsIn(join(root, 'test', 'planted')).filter(
  ({ number }) => only === undefined || number === only.padStart(2, '0'),
);
if (bugs.length === 0) {
  console.error(only === undefined ? 'no planted bug' : `no planted bug has the number ${only}`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'varve-planted-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

const clean = await testClean();
const results: Result[] = [];
const waiting = bugs.map((bug, at) => ({ bug, clean: clean[at] ?? MISSING }));
await Promise.all(Array.from({ length: AT_ONCE_MAX }, plantAll));

results.sort((one, other) => Number(one.bug.number) - Number(other.bug.number));
const columns = ['bug', 'test', 'caught', 'by', 'seconds'].map((title) => ({ title }));
console.log(`\n${formatTable(columns, results.map(rowOf))}`);
const caught = results.filter(({ isCaught }) => isCaught).length;
console.log(`${caught} passed, ${results.length - caught} failed`);
process.exit(caught === results.length ? 0 : 1);

/** Every named test on the tree as it is: what is red there proves nothing about a patch. */
async function testClean(): Promise<readonly TestOutcome[]> {
  const tree = plantTree(root, join(folder, 'clean'));
  const problem = await tree.build();
  if (problem !== null) throw new Error(`the tree itself does not build: ${problem}`);
  return tree.test(bugs.map(({ test }) => test));
}

async function plantAll(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const startMs = performance.now();
    const verdict = judge(next.clean, await attempt(next.bug));
    const seconds = (performance.now() - startMs) / 1000;
    results.push({ ...verdict, bug: next.bug, seconds });
    console.log(`${verdict.isCaught ? 'caught' : 'MISSED'}  ${next.bug.number}-${next.bug.name}`);
    if (!verdict.isCaught) console.log(`        ${verdict.reason}`);
  }
}

async function attempt(bug: PlantedBug): Promise<Attempt> {
  const path = join(folder, bug.number);
  const tree = plantTree(root, path);
  try {
    const unapplied = await tree.apply(bug);
    if (unapplied !== null) return { stage: 'apply', problem: unapplied };
    const unbuilt = await tree.build();
    if (unbuilt !== null) return { stage: 'build', problem: unbuilt };
    const [outcome = MISSING] = await tree.test([bug.test]);
    return { stage: 'test', outcome, root: path };
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function rowOf({ bug, isCaught, reason, seconds }: Result): string[] {
  const file = bug.test.file.replace(/^test\//, '').replace(/\.test\.ts$/, '');
  const short =
    reason.length > REASON_LENGTH_MAX ? `${reason.slice(0, REASON_LENGTH_MAX)}…` : reason;
  return [`${bug.number}-${bug.name}`, file, isCaught ? 'yes' : 'NO', short, seconds.toFixed(1)];
}
