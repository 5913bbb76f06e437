/** A binding with a past that is asked for again: a program declares its bindings at each start. */
import { describe, expect, it } from 'vitest';
import { ConflictError } from '../../../src/core/errors.ts';
import type { ReadFrom } from '../../../src/log/read-options.ts';
import { rejectionOf } from '../../support/log-fixture.ts';
import { numbered, RoutingDisk } from '../../support/routing-disk.ts';

const PAST = { from: 'earliest' } as const;
const ALL = { pattern: '#' } as const;

async function bench() {
  const disk = await RoutingDisk.make();
  await disk.run(disk.store.topic('one'));
  const events = await disk.exchange('events', { type: 'topic' });
  await disk.publishEach(events, numbered(3));
  return { disk, events };
}

async function expectOnce(disk: RoutingDisk, values: readonly string[]): Promise<void> {
  await disk.until(async () => (await disk.values('one')).length >= values.length);
  await disk.step(3000);
  expect(await disk.values('one')).toEqual(values);
}

describe('a binding that was made with a past', () => {
  it.each<ReadFrom>(['earliest', 'latest', 2, { last: 1 }, { timestamp: 0 }])(
    'is found again, whichever is asked for (%j)',
    async (from) => {
      const { disk, events } = await bench();
      const { bindingId } = await disk.run(events.bind('one', ALL, { from: 1 }));
      expect(await disk.run(events.bind('one', ALL, { from }))).toMatchObject({ bindingId });
      expect(await disk.run(events.bind('one', ALL))).toMatchObject({ bindingId });
      await expectOnce(disk, numbered(3).slice(1));
      expect(events.bindings()).toHaveLength(1);
      await disk.close();
    },
  );

  it('is found again when the program is started again', async () => {
    const { disk, events } = await bench();
    const { bindingId } = await disk.run(events.bind('one', ALL, PAST));
    for (let start = 0; start < 3; start++) {
      if (start === 1) disk.disk.cutPower();
      else await disk.close();
      await disk.open();
      const again = await disk.exchange('events');
      expect(await disk.run(again.bind('one', ALL, PAST))).toMatchObject({ bindingId });
    }
    await expectOnce(disk, numbered(3));
    await disk.close();
  });

  it('is one when it is asked for twice at once', async () => {
    const { disk, events } = await bench();
    const asked = [events.bind('one', ALL, PAST), events.bind('one', ALL, { from: 2 })];
    const [first, second] = await disk.run(Promise.all(asked));
    expect(second).toEqual(first);
    await expectOnce(disk, numbered(3));
    await disk.close();
  });

  it('is another one when it was taken away, and gets what is not there yet', async () => {
    const { disk, events } = await bench();
    const { bindingId } = await disk.run(events.bind('one', ALL, { from: 2 }));
    await expectOnce(disk, numbered(3).slice(2));
    await disk.run(events.unbind('one', ALL));
    const again = await disk.run(events.bind('one', ALL, PAST));
    expect(again.bindingId).not.toBe(bindingId);
    await expectOnce(disk, ['value 2', 'value 0', 'value 1']);
    await disk.close();
  });
});

describe('a binding that was made without a past', () => {
  it.each<ReadFrom>(['earliest', 0, { last: 1 }])(
    'is not given one later (%j), but when it is made again',
    async (from) => {
      const { disk, events } = await bench();
      await disk.run(events.bind('one', ALL, { from: 'latest' }));
      await disk.publishEach(events, ['live']);
      const error = await rejectionOf(disk.run(events.bind('one', ALL, { from })));
      expect(error).toBeInstanceOf(ConflictError);
      expect(String(error)).toContain('unbind it and bind it again');
      await disk.run(events.unbind('one', ALL));
      await disk.run(events.bind('one', ALL, PAST));
      await expectOnce(disk, ['live', ...numbered(3)]);
      await disk.close();
    },
  );
});
