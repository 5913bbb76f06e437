/**
 * F9. Elsewhere: a queue deleted messages that nobody had acknowledged, for a limit of age or size had come to
 * them (NATS#5638).
 *
 * Here: the start of a queue's log never passes the lowest record that is not settled, whatever its age and
 * size, unless its policy says so; then what goes is counted.
 *
 * Red when retention of a queue does not ask who needs its records, when it asks for what is unread alone, or
 * when it takes what it was let without counting.
 */
import { describe, expect, test } from 'vitest';

import { HOUR_MS, UnfinishedBench } from '../support/unfinished-bench.ts';

const LIMITS = [
  ['age', { retentionMs: 1 }],
  ['size', { retentionMs: null, retentionBytes: 1 }],
] as const;

describe.each(LIMITS)('F9: a queue with a limit of %s', (reason, limit) => {
  test('keeps what nobody has acknowledged, over a restart and for as long as it takes', async () => {
    const bench = new UnfinishedBench();
    await bench.begin();
    let queue = await bench.queue('q', limit);
    await bench.append('q', 8);
    const [first, second, third] = await queue.acquire({ max: 3 });
    await first?.ack();
    await third?.ack();
    for (let hours = 0; hours < 3; hours++) {
      bench.clock.advance(HOUR_MS);
      await bench.retain('q');
    }
    expect(await bench.startOf('q')).toBe(1); // The one that is, or was, leased.
    expect(second?.isSettled).toBe(false);
    await bench.again();
    queue = await bench.queue('q', limit);
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(1);
    const rest = await queue.acquire({ max: 10 });
    expect(rest.map(({ offset }) => offset)).toEqual([1, 3, 4, 5, 6, 7]);
    await queue.ackAll(rest);
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(7);
    expect(bench.countsOf('q')).toEqual([]);
    await bench.here.close();
  });

  test('lets go of it by a policy that says so, and counts it', async () => {
    const bench = new UnfinishedBench();
    await bench.begin();
    const queue = await bench.queue('q', { ...limit, unfinished: 'skip' });
    await bench.append('q', 8);
    bench.clock.advance(HOUR_MS);
    await bench.retain('q');
    expect(await bench.startOf('q')).toBe(7);
    const { unfinishedCounts } = await queue.topic.describeShareGroup(queue.name);
    expect(unfinishedCounts).toMatchObject([{ reason, outcome: 'skipped', count: 7 }]);
    expect(await queue.acquire({ max: 10 })).toHaveLength(1);
    expect(await queue.stats()).toMatchObject({ settled: { trimmed: 7 } });
    await bench.here.close();
  });
});
