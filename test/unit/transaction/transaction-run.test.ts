/** The order in which the parts of a transaction are asked, whatever they are. */
import { describe, expect, test } from 'vitest';

import { toError } from '../../../src/core/abort.ts';
import { TooLargeError } from '../../../src/core/errors.ts';
import {
  COMMIT_BYTES_MAX,
  type Commit,
  type CommitOwner,
  type CommitResult,
} from '../../../src/journal/committer.ts';
import { EntryRegistry } from '../../../src/journal/entry-type.ts';
import { Fold } from '../../../src/journal/fold.ts';
import { change, Journal, type Change } from '../../../src/journal/journal.ts';
import { topicDeleted } from '../../../src/topic/topic-state.ts';
import type { CommitOutcome, CommitPart } from '../../../src/transaction/commit-part.ts';
import { TRANSACTION_PARTS_MAX, TransactionRun } from '../../../src/transaction/transaction-run.ts';
import { turns } from '../../support/log-fixture.ts';

/** What a part does beside telling that it was asked. */
type Doing = Partial<Pick<CommitPart, 'prepare' | 'obstacle' | 'secure' | 'check' | 'watch'>>;

/** A run with parts of these names, and a committer that answers when it is told to. */
function bench(parts: Readonly<Record<string, Doing>>) {
  const calls: string[] = [];
  const outcomes: CommitOutcome[] = [];
  const commits: Commit[] = [];
  let answer: (result: CommitResult | Error) => void = () => undefined;
  let busyCount = 0;
  const committer = {
    submit(commit: Commit, owner: CommitOwner): void {
      calls.push('commit');
      commits.push(commit);
      answer = (result) => {
        if (result instanceof Error) owner.failed(result);
        else owner.committed(result.baseOffsets);
      };
    },
  };
  const decided: string[] = [];
  const run = new TransactionRun(
    {
      journal: new Journal({ registry: new EntryRegistry([]), fold: new Fold([]) }),
      committer,
      clock: { now: () => 7 },
      over: () => void calls.push('over'),
      decided: (_run, outcome) => void decided.push(outcome),
      busy: (by) => {
        busyCount += by;
      },
    },
    { id: 1, name: '', startedMs: 0, deadlineMs: Number.POSITIVE_INFINITY },
  );
  for (const [name, doing] of Object.entries(parts)) {
    const told = (what: string): void => void calls.push(`${what} ${name}`);
    class Part implements CommitPart {
      watch(lost: (reason: unknown) => void): void {
        doing.watch?.(lost);
      }
      prepare(): Promise<void> | null {
        told('prepare');
        return doing.prepare?.() ?? null;
      }
      obstacle(): Promise<void> | null {
        return doing.obstacle?.() ?? null;
      }
      secure(): void {
        told('secure');
        doing.secure?.();
      }
      changes(nowMs: number): readonly Change[] {
        return [change(topicDeleted, { topicId: nowMs })];
      }
      appends(): readonly never[] {
        return [];
      }
      check(): void {
        told('check');
        doing.check?.();
      }
      end(outcome: CommitOutcome): void {
        told(outcome.kind);
        outcomes.push(outcome);
      }
    }
    run.part(Part);
    expect(run.part(Part)).toBe(run.part(Part));
  }
  const busy = () => busyCount;
  return { run, calls, commits, outcomes, busy, answer: (to: CommitResult | Error) => answer(to) };
}

/** A promise, and what ends it. */
function gate() {
  let end: (error?: unknown) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(toError(error)));
  });
  return { ended, end: (error?: unknown) => end(error) };
}

describe('the parts of a transaction', () => {
  test('are prepared together, secured in one step and told the end', async () => {
    const opened = gate();
    const own = bench({ a: { prepare: () => opened.ended }, b: {} });
    const { run, calls, commits, outcomes, busy, answer } = own;
    const done = run.run(() => void calls.push('action'), null);
    await turns(1);
    expect([calls.splice(0), run.state, busy()]).toEqual([
      ['action', 'prepare a', 'prepare b'],
      'waiting',
      1,
    ]);
    opened.end();
    await turns(1);
    expect([calls.splice(0), run.state]).toEqual([
      ['secure a', 'secure b', 'commit'],
      'committing',
    ]);
    expect(commits[0]?.changes?.map(({ value }) => value)).toEqual([
      { topicId: 7 },
      { topicId: 7 },
    ]);
    commits[0]?.check?.();
    expect(calls.splice(0)).toEqual(['check a', 'check b']);
    answer({ baseOffsets: [] });
    await done;
    expect(calls).toEqual(['committed a', 'committed b', 'over']);
    expect(outcomes).toEqual([
      { kind: 'committed', baseOffsets: [] },
      { kind: 'committed', baseOffsets: [] },
    ]);
    expect(busy()).toBe(0);
  });

  test('wait for what is in the way of one of them, having secured nothing', async () => {
    const gates = [gate(), gate()];
    let inTheWay = 0;
    const { run, calls, answer } = bench({
      a: {},
      b: { obstacle: () => gates[inTheWay]?.ended ?? null },
    });
    const done = run.run(() => undefined, null);
    for (const { end } of gates) {
      await turns(1);
      expect(calls).toEqual(['prepare a', 'prepare b']);
      inTheWay++;
      end();
    }
    await turns(1);
    expect(calls.slice(2)).toEqual(['secure a', 'secure b', 'commit']);
    answer({ baseOffsets: [] });
    await done;
  });

  test('are all let go when one cannot be secured, or the commit comes to nothing', async () => {
    const refusal = new Error('no longer');
    const refused = bench({
      a: {},
      b: {
        secure: () => {
          throw refusal;
        },
      },
    });
    await expect(refused.run.run(() => undefined, null)).rejects.toBe(refusal);
    expect(refused.calls.slice(2)).toEqual([
      'secure a',
      'secure b',
      'failed a',
      'failed b',
      'over',
    ]);
    const { run, calls, answer } = bench({ a: {} });
    const done = run.run(() => undefined, null);
    await turns(1);
    answer(refusal);
    await expect(done).rejects.toBe(refusal);
    expect(calls.slice(-2)).toEqual(['failed a', 'over']);
  });

  test('are let go when all have been prepared, if one cannot be', async () => {
    const opened = gate();
    const { run, calls, busy } = bench({
      a: { prepare: () => opened.ended },
      b: {
        prepare: () => {
          throw new Error('not there');
        },
      },
    });
    const done = run.run(() => undefined, null);
    const told = done.catch((error: unknown) => error);
    await turns(1);
    expect(calls).toEqual(['prepare a', 'prepare b']);
    opened.end();
    expect(await told).toMatchObject({ message: 'not there' });
    expect(calls.slice(2)).toEqual(['failed a', 'failed b', 'over']);
    expect(busy()).toBe(0);
  });

  test('are let go behind the caller when it is stopped while they wait', async () => {
    const opened = gate();
    const { run, calls, busy } = bench({ a: { prepare: () => opened.ended } });
    const done = run.run(() => undefined, null);
    await turns(1);
    run.timeOut();
    await expect(done).rejects.toMatchObject({ details: { state: 'timed-out' } });
    expect([calls, busy()]).toEqual([['prepare a', 'over'], 1]);
    opened.end();
    await turns(1);
    expect([calls.slice(2), busy()]).toEqual([['failed a', 'over'], 0]);
  });

  test('are secured when nobody stopped it, at whatever moment that may be', async () => {
    const told = new Set<string>();
    for (let delay = 0; delay < 20; delay++) {
      const gates = [gate(), gate()];
      let inTheWay = 0;
      const { run, calls, answer } = bench({
        a: {
          prepare: () => gates[0]?.ended ?? null,
          obstacle: () => gates[inTheWay]?.ended ?? null,
        },
      });
      const done = run.run(() => undefined, null).catch(() => 'stopped');
      for (const { end } of gates) {
        await turns(1);
        inTheWay++;
        end();
      }
      for (let step = 0; step < delay; step++) await Promise.resolve();
      run.timeOut();
      await turns(1);
      const isCommitted = calls.includes('commit');
      answer({ baseOffsets: [] });
      expect(await done).toBe(isCommitted ? undefined : 'stopped');
      expect(calls.includes('secure a')).toBe(isCommitted);
      told.add(isCommitted ? 'committed' : 'stopped');
    }
    expect([...told]).toEqual(['stopped', 'committed']);
  });

  test('have nothing come between the last look for what is in the way and securing', async () => {
    const opened = gate();
    let isInTheWay = false;
    const { run, calls, answer } = bench({
      a: {
        prepare: () => opened.ended,
        obstacle: () => {
          if (!isInTheWay) queueMicrotask(() => void (isInTheWay = true));
          return isInTheWay ? new Promise<void>(() => undefined) : null;
        },
        secure: () => void calls.push(`in the way: ${isInTheWay}`),
      },
    });
    const done = run.run(() => undefined, null);
    opened.end();
    await turns(1);
    expect(calls).toContain('in the way: false');
    answer({ baseOffsets: [] });
    await done;
  });

  test('are not stopped any more once they are secured', async () => {
    const { run, calls, answer } = bench({ a: {} });
    const done = run.run(() => 'all of it', null);
    await turns(1);
    run.timeOut();
    run.abort();
    answer({ baseOffsets: [] });
    expect(await done).toBe('all of it');
    expect(calls.at(-2)).toBe('committed a');
  });

  test('are watched when somebody wants to know', async () => {
    const lost: ((reason: unknown) => void)[] = [];
    const watch = (tell: (reason: unknown) => void): void => void lost.push(tell);
    const { run, answer } = bench({ a: { watch } });
    expect(lost).toEqual([]);
    const { signal } = run;
    expect(run.signal).toBe(signal);
    expect(lost).toHaveLength(1);
    lost[0]?.('gone');
    expect(signal.reason).toBe('gone');
    const done = run.run(() => undefined, null);
    await turns(1);
    answer({ baseOffsets: [] }); // What is lost says so when it is secured: a signal decides nothing.
    await done;
  });
});

test('a run takes as many bytes and parts as a commit may have, and not one more', () => {
  const { run } = bench({});
  run.reserve({ bytes: COMMIT_BYTES_MAX, acks: 4000, positions: TRANSACTION_PARTS_MAX - 4000 });
  expect(() => run.reserve({ bytes: 1 })).toThrow(TooLargeError);
  for (const more of [{ acks: 1 }, { positions: 1 }]) {
    expect(() => run.reserve({ bytes: 0, ...more })).toThrow(TooLargeError);
  }
  run.reserve({ bytes: 0, records: 1 });
  expect(run.sizeBytes).toBe(COMMIT_BYTES_MAX);
});
