/** A clock that is set wrong deletes nothing, whatever a store opens, closes and looks at meanwhile. */
import { afterEach, describe, expect, test } from 'vitest';

import { CLOCK_BELIEVED_MS } from '../../../src/core/limits.ts';
import { turns } from '../../support/log-fixture.ts';
import { AGE_MS, HOUR_MS, UnfinishedBench } from '../../support/unfinished-bench.ts';

const TEN_DAYS_MS = 240 * HOUR_MS;
const benches: UnfinishedBench[] = [];

async function begun(...topics: readonly string[]): Promise<UnfinishedBench> {
  const bench = new UnfinishedBench();
  benches.push(bench);
  await bench.begin();
  for (const name of topics) {
    await bench.topic(name, { retentionMs: 100 * HOUR_MS });
    await bench.append(name, 4);
  }
  return bench;
}

afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.here.close();
});

function jump(bench: UnfinishedBench, ms = TEN_DAYS_MS): void {
  bench.clock.jumpTo(bench.clock.now() + ms);
}

async function closeIdle(bench: UnfinishedBench, name: string): Promise<void> {
  const partition = (await bench.here.topic(name)).partitions.at(0);
  await partition.closeIdle();
  expect(partition.opened).toBe(null);
}

async function expectAll(bench: UnfinishedBench, ...names: readonly string[]): Promise<void> {
  for (const name of names) expect(await bench.startOf(name)).toBe(0);
}

describe('a jump ahead deletes nothing', () => {
  test('of a partition that was closed meanwhile', async () => {
    const bench = await begun('t');
    await closeIdle(bench, 't');
    jump(bench);
    await bench.retain('t');
    await expectAll(bench, 't');
  });

  test('of one that is closed for being idle behind it', async () => {
    const bench = await begun('t', 'u');
    jump(bench);
    await bench.retain('u');
    await closeIdle(bench, 't');
    await closeIdle(bench, 'u');
    await expectAll(bench, 't', 'u');
  });

  test('between an opening of the store and its first look', async () => {
    const bench = await begun('t', 'u');
    await bench.again();
    jump(bench);
    for (const name of ['t', 'u', 't', 'u']) await bench.retain(name);
    await expectAll(bench, 't', 'u');
  });

  test('with a roll, and room asked for, right behind it', async () => {
    const bench = await begun('t', 'u');
    jump(bench);
    await bench.append('t', 2);
    await bench.append('u', 1);
    await turns(50);
    await bench.here.upkeep.bytes.retain();
    await bench.here.upkeep.makeRoom();
    await bench.retain('t');
    await expectAll(bench, 't', 'u');
  });

  test('by a run that somebody asks for, whose plan says so', async () => {
    const bench = await begun('t');
    jump(bench);
    const { partitions } = await bench.here.topic('t');
    for (const isDryRun of [true, false, true]) {
      const [result] = await bench.here.upkeep.retain(partitions, { isDryRun });
      expect(result).toMatchObject({ newStartOffset: 0 });
    }
    await expectAll(bench, 't');
  });

  test('that comes back, goes ahead again, and behind one that went back', async () => {
    const bench = await begun('t', 'u');
    for (const ms of [-TEN_DAYS_MS, 2 * TEN_DAYS_MS, -2 * TEN_DAYS_MS, TEN_DAYS_MS]) {
      jump(bench, ms);
      await bench.retain('t');
      await closeIdle(bench, 't');
      bench.clock.advance(AGE_MS);
      await bench.retain('u');
    }
    await expectAll(bench, 't', 'u');
  });

  test('of history in the journal', async () => {
    const bench = await begun('t');
    const startOffset = () => bench.here.stats().journal.startOffset;
    const before = startOffset();
    jump(bench);
    for (let run = 0; run < 4; run++) await bench.here.snapshot();
    expect(startOffset()).toBe(before);
  });
});

test('after a jump what gets old by the time from before goes', async () => {
  const bench = await begun('t');
  jump(bench);
  await bench.retain('t');
  bench.clock.advance(20 * HOUR_MS);
  await bench.topic('v');
  const topic = await bench.here.topic('t');
  await bench.here.alterTopic(topic.name, { retentionMs: 20 * HOUR_MS - 1 });
  await bench.retain('t');
  expect(await bench.startOf('t')).toBe(3);
});

test('a clock that stays ahead is believed in the end, also by partitions nobody has open', async () => {
  const bench = await begun('t', 'u');
  await closeIdle(bench, 'u');
  jump(bench);
  await bench.retain('t');
  for (let look = 0; look < 2; look++) {
    await expectAll(bench, 't', 'u');
    bench.clock.advance(CLOCK_BELIEVED_MS);
    await bench.retain('t');
    await bench.retain('u');
  }
  expect(await bench.startOf('t')).toBe(3);
  expect(await bench.startOf('u')).toBe(3);
});
