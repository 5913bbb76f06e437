import { describe, expect, test } from 'vitest';

import { FailedError } from '../../../src/core/errors.ts';
import type { Log } from '../../../src/log/log.ts';
import { DedupFlights } from '../../../src/topic/dedup-flights.ts';
import { JoinedFlight } from '../../../src/topic/dedup-joined.ts';
import { enteredRun } from '../../../src/topic/dedup-pending.ts';
import type { PartitionSet } from '../../../src/topic/partition-set.ts';
import { openTextLog } from '../../support/log-fixture.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';

const REFUSED = new Error('no room');
const FAILED = new FailedError({ path: '/log', indeterminate: true });

/** A flight of so many records from offset 10 on, and what is heard of it. */
async function flightOf(count: number) {
  const log = (await openTextLog(new MemoryFileSystem())) as unknown as Log<Uint8Array>;
  const heard: string[] = [];
  const run = enteredRun(0, 10, count);
  run.timeMs = 5;
  const first = { log, partition: 0, offset: 10, asked: 'sync' as const };
  const flight = new JoinedFlight(run, first, (completeCount, failure) =>
    heard.push(`${completeCount} of ${run.count}, ${failure?.name ?? 'no failure'}`),
  );
  return { flight, heard, log, run };
}

describe('a joined run', () => {
  test('is over when the last of its callers is answered', async () => {
    const { flight, heard } = await flightOf(3);
    flight.complete();
    flight.complete();
    expect(heard).toEqual([]);
    flight.complete();
    expect(heard).toEqual(['3 of 3, no failure']);
  });

  test('loses at once what was refused: others may come to stand there', async () => {
    const { flight, heard, run } = await flightOf(3);
    flight.fail(REFUSED);
    flight.fail(REFUSED);
    expect(run.count).toBe(1);
    expect(heard).toEqual([]);
    flight.complete();
    expect(heard).toEqual(['1 of 1, no failure']);
  });

  test('of which all is refused leaves nothing', async () => {
    const { flight, heard } = await flightOf(2);
    flight.fail(REFUSED);
    flight.fail(REFUSED);
    expect(heard).toEqual(['0 of 0, no failure']);
  });

  test('is in doubt from the first on whose caller was not answered', async () => {
    const { flight, heard } = await flightOf(3);
    flight.complete();
    flight.fail(FAILED);
    flight.fail(FAILED);
    expect(heard).toEqual(['1 of 3, FailedError']);
  });

  test('takes the next record of its log, within a millisecond, until somebody was answered', async () => {
    const { flight, log, run } = await flightOf(2);
    const { log: other } = await flightOf(1);
    const place = { log, partition: 0, offset: 12, asked: 'sync' as const };
    expect(flight.takes(place, 5)).toBe(true);
    expect(flight.takes(place, 5.9)).toBe(true);
    expect(flight.takes(place, 6)).toBe(false);
    expect(flight.takes({ ...place, offset: 11 }, 5)).toBe(false);
    expect(flight.takes({ ...place, offset: 13 }, 5)).toBe(false);
    expect(flight.takes({ ...place, log: other }, 5)).toBe(false);
    expect(flight.takes({ ...place, asked: 'os' }, 5)).toBe(false);
    run.count = 256;
    expect(flight.takes({ ...place, offset: 266 }, 5)).toBe(false);
    run.count = 2;
    flight.complete();
    expect(flight.takes(place, 5)).toBe(false);
  });
});

describe('what a failure leaves of a joined run', () => {
  test.each([
    [0, '1 entered', { baseOffset: 1, count: 1 }],
    [1, 'nothing entered', { baseOffset: 1, count: 2 }],
  ] as const)(
    'is in doubt but for what is visible, from offset %i on: %s',
    async (offset, wanted, left) => {
      const log = await openTextLog(new MemoryFileSystem());
      await log.append({ value: 'visible' });
      let isHeld = true;
      const used = { hold: () => () => (isHeld = false) };
      const partitions = { at: () => used } as unknown as PartitionSet;
      let entered = 'nothing entered';
      const onEntered = (_run: unknown, count: number) => (entered = `${count} entered`);
      const flights = new DedupFlights(partitions, { now: () => 5, onEntered });
      const place = { log: log as unknown as Log<Uint8Array>, partition: 0, asked: 'os' as const };
      const flight = flights.joined({ ...place, offset });
      expect(flights.joined({ ...place, offset: offset + 1 })).toBe(flight);
      flight.complete();
      flight.fail(FAILED);
      expect(entered).toBe(wanted);
      expect(isHeld).toBe(false);
      const run = flights.pending.at({ partition: 0, offset: offset + 1 });
      expect(run).toMatchObject({ ...left, failure: FAILED });
      await log.close();
    },
  );
});
