/**
 * Kills and stops a process that holds a queue, with 4 producers and 8 consumers in it, again and
 * again, on a disk that is full now and then, with a wall clock that is set, and checks the history that it told: nothing lost,
 * invented or delivered after its end, no two leases at a time, no token twice, every attempt counted,
 * every dead letter once.
 *
 * A kill keeps the page cache, so this says nothing about fsync. `VARVE_QUEUE_SECONDS` sets how long
 * (`npm run test:queue` takes 600 s), `SEED` what happens when.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkQueueHistory, shortfalls } from '../../support/queue-check/check-queue-history.ts';
import { formatEvent, type QueueEvent } from '../../support/queue-check/history.ts';
import { TOY_BUGS, type ToyBug } from '../../support/queue-check/toy-queue.ts';
import type { Verdict, ViolationKind } from '../../support/queue-check/verdict.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { minimumsFor } from './minimums.ts';
import { runNemesis } from './queue-nemesis.ts';

/** How long each is tormented. The toy only shows that the harness works: it needs no longer. */
const SECONDS = { toy: 4, varve: Number(process.env['VARVE_QUEUE_SECONDS'] ?? 30) };
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
const BROKEN_TOY_MS = 1000;
/** A broken toy gets so many runs to show what is wrong with it. */
const BROKEN_TOY_RUNS = 10;
const VIOLATIONS_SHOWN = 10;

/** Few records, so that a run of seconds has seen all that can happen to one. */
const SETTINGS = {
  lifeMsMax: 700,
  leaseMs: 500,
  failuresMax: 3,
  expiriesMax: 3,
  poisonedLives: 25,
  blockOneIn: 300,
  sendPauseMsMax: 30,
};
/** A stop takes 100 ms from a lease; the rest is for a busy machine. */
const LIMITS = { ...SETTINGS, slackMs: 300 };

/** Keeps the history of a run with violations, and says where. */
function expectNone(verdict: Verdict, history: readonly QueueEvent[]): void {
  const { violations, counts } = verdict;
  let where = '';
  if (violations.length > 0) {
    where = join(mkdtempSync(join(tmpdir(), 'varve-queue-')), 'history.jsonl');
    writeFileSync(where, history.map(formatEvent).join(''));
  }
  console.log(`SEED=${SEED}: ${JSON.stringify(counts)} ${where}`);
  expect(violations.slice(0, VIOLATIONS_SHOWN), `SEED=${SEED}, history: ${where}`).toEqual([]);
}

test.each(Object.entries(SECONDS) as [keyof typeof SECONDS, number][])(
  `%s keeps its promises for %i s of kills and stops (SEED=${SEED})`,
  async (kind, seconds) => {
    const forMs = seconds * 1000;
    const minimums = minimumsFor(forMs);
    const history = await runNemesis({
      ...SETTINGS,
      kind,
      directory: await temporaryDirectory(),
      seed: SEED,
      forMs,
      isEnough: (soFar) => shortfalls(soFar, minimums).length === 0,
    });
    expectNone(checkQueueHistory(history, { ...LIMITS, minimums }), history);
  },
);

describe('the harness catches', () => {
  test.each(Object.entries(TOY_BUGS) as [ToyBug, ViolationKind][])(
    'a toy that %s: %s',
    async (bug, kind) => {
      const found = new Set<ViolationKind>();
      for (let run = 0; run < BROKEN_TOY_RUNS && !found.has(kind); run++) {
        const history = await runNemesis({
          ...SETTINGS,
          poisonedLives: 0,
          kind: bug,
          directory: await temporaryDirectory(),
          seed: SEED + run,
          forMs: BROKEN_TOY_MS,
          isEnough: () => true,
        });
        for (const violation of checkQueueHistory(history, LIMITS).violations) {
          found.add(violation.kind);
        }
      }
      expect([...found], `SEED=${SEED}`).toContain(kind);
    },
  );
});
