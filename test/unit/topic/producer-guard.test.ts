/** What retention and producers of a store that closes owe each other. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';
import { turns } from '../../support/log-fixture.ts';
import { StoreDisk } from '../../support/store-disk.ts';

test('what a store that closes still deletes was noted of its producers, durably', async () => {
  const disk = await StoreDisk.make();
  const moves = new HeldSyncs(disk.fileSystem, '/0/checkpoint');
  const notes = new HeldSyncs(disk.fileSystem, '/journal/');
  const store = await disk.open();
  const topic = await store.topic('t', { codec: utf8 });
  const producer = await store.producer('p');
  const send = (sequence: number) => producer.append(topic, { value: `${sequence}` }, { sequence });
  for (let sequence = 0; sequence < 4; sequence++) await send(sequence);
  moves.hold();
  const first = topic.deleteBefore({ partition: 0, offset: 2 });
  await turns(50);
  expect(moves.waiting).toHaveLength(1);
  for (let sequence = 4; sequence < 8; sequence++) await send(sequence);
  const second = topic.deleteBefore({ partition: 0, offset: 8 });
  notes.hold();
  const closed = store.close();
  await turns(50);
  expect(topic.partitions.isGone).toBe(true);
  moves.release();
  await first;
  await turns(50); // The second is asked for now.
  const cut = disk.copyAfterPowerCut();
  expect(notes.waiting).toHaveLength(1);
  notes.release();
  await Promise.all([second, closed]);
  for (const left of [cut, disk.copy()]) {
    const reopened = await left.open();
    const found = await reopened.topic('t', { codec: utf8 });
    const again = await reopened.producer('p');
    for (let sequence = 0; sequence < 8; sequence++) {
      const answer = await again.append(found, { value: 'again' }, { sequence });
      expect(answer, `sequence ${sequence}`).toMatchObject({ duplicate: true });
    }
    await reopened.close();
  }
});
