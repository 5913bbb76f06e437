/** Callers that await one append after the other leave others their turns. */
import { expect, it } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { RoutingDisk } from '../../support/routing-disk.ts';

const RECORDS = 1000;
/** As many writes at most are done in one turn of the event loop. */
const WRITES_PER_TURN = 64;

it.each(['os', 'interval'] as const)(
  'appends at %s do not keep the event loop',
  async (durability) => {
    const disk = await RoutingDisk.make();
    const topic = await disk.run(disk.store.topic('one', { codec: utf8, durability }));
    await disk.run(topic.append({ value: 'opens the log' }));
    let turns = 0;
    let isOver = false;
    const tick = (): void => {
      turns++;
      if (!isOver) setImmediate(tick);
    };
    setImmediate(tick);
    for (let n = 0; n < RECORDS; n++) await topic.append({ value: `${n}` });
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(Math.floor(RECORDS / WRITES_PER_TURN) - 1);
    expect(await disk.values('one')).toHaveLength(RECORDS + 1);
    await disk.close();
  },
);
