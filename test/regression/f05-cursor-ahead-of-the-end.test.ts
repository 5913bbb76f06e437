/**
 * F5. Elsewhere: after a power cut a consumer's position stood ahead of the end of the log, and the
 * consumer was stuck for ever or silently read other records (NATS#5412, #4566, #3996).
 *
 * Here (the log's part): a position ahead of the end is refused with the position and the end, at
 * once and also while following. Offsets that a power cut took back are given again, but in a later
 * epoch: a position that carries its epoch is refused, never answered with another record.
 *
 * Red when a read ahead of the end waits, is empty or is clamped in silence, or when an open begins
 * no new epoch.
 */
import { describe, expect, test } from 'vitest';

import type { Log } from '../../src/log/log.ts';
import type { ReadFrom } from '../../src/log/read-options.ts';
import {
  appendEach,
  faultyDisk,
  openTextLog,
  rejectionOf,
  textAt,
  textsFrom,
  valuesOf,
} from '../support/log-fixture.ts';

const KEPT = 5;
const SEEN = 9;

/** A consumer of a log at `os` saw records up to `SEEN`; the power cut kept those below `KEPT`. */
async function afterPowerCut() {
  const fileSystem = await faultyDisk();
  const log = await openTextLog(fileSystem, { durability: 'os' });
  await appendEach(log, KEPT);
  await log.sync();
  await appendEach(log, SEEN - KEPT);
  expect(await valuesOf(log)).toEqual(textsFrom(0, SEEN));
  const { epoch } = log;
  const image = fileSystem.crashImage({ data: 'none', names: 'none' });
  await log.close();
  const again = await openTextLog(image, { durability: 'os' });
  expect(again.endOffset).toBe(KEPT);
  return { log: again, epoch };
}

async function firstWithCursor(log: Log<string>, from: ReadFrom): Promise<unknown> {
  const cursor = log.cursor({ from });
  try {
    return await cursor.nextBatch();
  } finally {
    await cursor.close();
  }
}

/** Every way to ask for what stands at a position. */
const WAYS: readonly [string, (log: Log<string>, from: ReadFrom) => Promise<unknown>][] = [
  ['records', (log, from) => valuesOf(log, { from })],
  ['records with a limit', (log, from) => valuesOf(log, { from, limit: 1 })],
  ['records that follow', (log, from) => valuesOf(log, { from, limit: 1, follow: true })],
  ['a cursor', firstWithCursor],
];

describe.each(WAYS)('F5: %s from a position ahead of the end', (_name, ask) => {
  test('is refused, and the error names both', async () => {
    const { log, epoch } = await afterPowerCut();
    for (const from of [KEPT + 1, SEEN, 2 ** 53 - 1]) {
      const error = await rejectionOf(ask(log, from));
      expect(error).toMatchObject({
        code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
        details: { requested: from, startOffset: 0, endOffset: KEPT },
      });
      expect(String(error)).toContain(`offset ${from} is not within 0 to ${KEPT}`);
    }
    const error = await rejectionOf(ask(log, { offset: SEEN, epoch }));
    expect(error).toMatchObject({
      code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
      details: { requested: SEEN, endOffset: KEPT, epoch },
    });
    await log.close();
  });

  test('of an earlier epoch stays refused when other records took its offsets', async () => {
    const { log, epoch } = await afterPowerCut();
    for (let n = KEPT; n < SEEN + 3; n++) await log.append({ value: `other ${n}` });
    for (let offset = KEPT + 1; offset <= SEEN; offset++) {
      expect(await rejectionOf(ask(log, { offset, epoch }))).toMatchObject({
        code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
        details: { requested: offset, endOffset: KEPT, epoch },
      });
    }
    await log.close();
  });
});

describe('F5: after a refusal nothing is stuck', () => {
  test('the consumer goes on from the end that the error names, and misses nothing', async () => {
    const { log, epoch } = await afterPowerCut();
    const refusal = await rejectionOf(valuesOf(log, { from: { offset: SEEN, epoch } }));
    const { endOffset } = (refusal as { details: { endOffset: number } }).details;
    const following = valuesOf(log, {
      from: { offset: endOffset, epoch: log.epoch },
      limit: 3,
      follow: true,
    });
    for (let n = 0; n < 3; n++) await log.append({ value: `other ${n}` });
    expect(await following).toEqual(['other 0', 'other 1', 'other 2']);
    await log.close();
  });

  test('a position at the end itself is the next record, of whatever epoch', async () => {
    const { log, epoch } = await afterPowerCut();
    await log.append({ value: 'other' });
    expect(await valuesOf(log, { from: { offset: KEPT, epoch } })).toEqual(['other']);
    await log.close();
  });

  test('a record is read with its epoch or refused, never another one in its place', async () => {
    const { log, epoch } = await afterPowerCut();
    for (let n = KEPT; n < SEEN; n++) await log.append({ value: `other ${n}` });
    for (let offset = 0; offset < KEPT; offset++) {
      expect((await log.read(offset, { epoch }))?.value).toBe(textAt(offset));
    }
    for (let offset = KEPT; offset < SEEN; offset++) {
      expect(await rejectionOf(log.read(offset, { epoch }))).toMatchObject({
        code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
        details: { requested: offset, epoch },
      });
      expect((await log.read(offset, { epoch: log.epoch }))?.value).toBe(`other ${offset}`);
    }
    await log.close();
  });

  test('a start cannot be moved ahead of the end', async () => {
    const { log } = await afterPowerCut();
    expect(await rejectionOf(log.deleteBefore(SEEN))).toMatchObject({
      code: 'ERR_VARVE_OFFSET_OUT_OF_RANGE',
      details: { requested: SEEN, endOffset: KEPT },
    });
    expect(await valuesOf(log)).toEqual(textsFrom(0, KEPT));
    expect((await log.append({ value: 'next' })).offset).toBe(KEPT);
    await log.close();
  });
});
