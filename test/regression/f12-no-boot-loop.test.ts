/**
 * F12. Elsewhere: a checksum failure stopped every boot, and wiping the data was the only cure
 * (rabbitmq#4251, #2816, #10808; ra#175, #299).
 *
 * Here: the open says where the damage is and changes nothing; `readonly` shows all that is whole,
 * `verifyLog` names every place without opening, `skip` gets on at the price of a reported gap, once:
 * after it the log opens as any other. Other logs do not notice.
 *
 * Red when a read-only open refuses damage, when `skip` leaves the damage in place, or when one log's
 * damage concerns another.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { CorruptLogError } from '../../src/core/errors.ts';
import { openLog } from '../../src/log/open-log.ts';
import { verifyLog, type VerifyEvent } from '../../src/log/verify.ts';
import { contentOf, flipBit } from '../support/disk-damage.ts';
import {
  appendEach,
  faultyDisk,
  LOG_PATH,
  openTextLog,
  quarantineNames,
  rejectionOf,
  segmentPaths,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';
import { walkSegment } from '../support/segment-walk.ts';

const RECORDS = 50;

/** A closed log with a flipped bit in its last segment, which every open looks at. */
async function damagedLog() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem);
  await appendEach(log, RECORDS);
  await log.close();
  const path = (await segmentPaths(fileSystem)).at(-1) ?? '';
  const { batches } = await walkSegment(fileSystem, path);
  const damaged = batches[2];
  if (damaged === undefined) throw new Error('data');
  flipBit(fileSystem, path, { position: damaged.position + 130 });
  return { fileSystem, path, position: damaged.position, offset: damaged.header.baseOffset };
}

test('F12: every open says the same, names the place, and changes nothing', async () => {
  const { fileSystem, path, position, offset } = await damagedLog();
  const before = contentOf(fileSystem, path);
  const messages = new Set<string>();
  for (let boot = 0; boot < 4; boot++) {
    const error = await rejectionOf(openTextLog(fileSystem));
    expect(error).toBeInstanceOf(CorruptLogError);
    expect(error).toMatchObject({
      details: { file: path, position, firstOffset: offset, nextOffset: offset + 1 },
    });
    messages.add(String(error));
  }
  expect(messages.size).toBe(1);
  expect(Buffer.compare(contentOf(fileSystem, path), before)).toBe(0);
  expect(await quarantineNames(fileSystem)).toEqual([]);
  expect(fileSystem.openFileCount).toBe(0);
});

test.each([{ onCorruption: 'readonly' }, { onCorruption: 'readonly', readOnly: true }] as const)(
  'F12: %j opens it, and all that is whole can be read',
  async (options) => {
    const { fileSystem, offset } = await damagedLog();
    const log = await openTextLog(fileSystem, options);
    expect(log.readOnly).toBe(true);
    expect(log.recovery.damage).toMatchObject({ firstOffset: offset });
    expect(await valuesOf(log, { to: offset })).toEqual(textsFrom(0, offset));
    expect(await rejectionOf(valuesOf(log))).toBeInstanceOf(CorruptLogError);
    expect(await valuesOf(log, { onCorruption: 'skip' })).toEqual([
      ...textsFrom(0, offset),
      ...textsFrom(offset + 1, RECORDS),
    ]);
    await log.close();
  },
);

test('F12: verifyLog names the damage, without a lock and without an open', async () => {
  const { fileSystem, path, position, offset } = await damagedLog();
  const damages: VerifyEvent[] = [];
  for await (const event of verifyLog(LOG_PATH, { fileSystem })) {
    if (event.type === 'damage') damages.push(event);
  }
  expect(damages).toEqual([
    {
      type: 'damage',
      details: expect.objectContaining({
        file: path,
        position,
        kind: 'batch',
        firstOffset: offset,
      }),
    },
  ]);
});

test('F12: skip gets on, once: then the log opens as any other', async () => {
  const { fileSystem, offset } = await damagedLog();
  const skipping = await openTextLog(fileSystem, { onCorruption: 'skip' });
  expect(skipping.recovery).toMatchObject({
    outcome: 'skipped',
    gaps: [{ firstOffset: offset, nextOffset: offset + 1 }],
  });
  expect((await skipping.append({ value: textAt(RECORDS) })).offset).toBe(RECORDS);
  await skipping.close();
  for (let boot = 0; boot < 3; boot++) {
    const log = await openTextLog(fileSystem);
    expect(log.recovery).toMatchObject({ outcome: 'clean', gaps: [], damage: null });
    expect(await valuesOf(log)).toEqual([
      ...textsFrom(0, offset),
      ...textsFrom(offset + 1, RECORDS + 1),
    ]);
    await log.close();
  }
});

test('F12: a log in another directory does not notice', async () => {
  const { fileSystem } = await damagedLog();
  const path = join('/', 'other');
  const open = () => openLog(path, { codec: utf8, fileSystem });
  const other = await open();
  await other.append({ value: 'before' });
  expect(await rejectionOf(openTextLog(fileSystem))).toBeInstanceOf(CorruptLogError);
  await other.append({ value: 'after' });
  await other.close();
  const again = await open();
  expect(await valuesOf(again)).toEqual(['before', 'after']);
  await again.close();
});
