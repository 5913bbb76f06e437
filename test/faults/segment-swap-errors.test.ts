/** Each call of a swap fails: what was made is gone and the log goes on, or the writer has failed and is right. */
import { afterAll, expect, test } from 'vitest';

import { FailedError, IoError } from '../../src/core/errors.ts';
import type { Log } from '../../src/log/log.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { faultyDisk, LOG_PATH, rejectionOf, valuesOf } from '../support/log-fixture.ts';
import { appendValues, makeNextAt, openSwappable, sealedOf, valueAt } from '../support/swaps.ts';

const RECORDS = 40;
const ERRNOS = ['EIO', 'ENOSPC', 'EMFILE'] as const;
const isKept = ({ offset }: { readonly offset: number }) => offset % 2 === 1;

const counts = new Map<string, number>();
afterAll(() => console.log([...counts].map(([what, count]) => `${count} ${what}`).join(', ')));

/** An open log whose files nobody has read yet, with a next generation of its second segment. */
async function prepare() {
  const fileSystem = await faultyDisk();
  const log = await openSwappable(fileSystem);
  await appendValues(log, RECORDS);
  const made = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
  const from = made.old.baseOffset;
  const to = made.segment.statedEnd ?? 0;
  return { fileSystem, log, made, from, to, firstCall: fileSystem.callCount + 1 };
}

async function temporaries(fileSystem: FaultyFileSystem): Promise<string[]> {
  return (await fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'));
}

/** @returns null */
async function append(log: Log<string>): Promise<null> {
  await log.append({ value: 'behind' });
  return null;
}

const all = Array.from({ length: RECORDS }, (_, offset) => offset);

/** Walks, and reads of single records, which go by the index. */
async function expectRecords(log: Log<string>, offsets: readonly number[]): Promise<void> {
  expect(await valuesOf(log)).toEqual(offsets.map(valueAt));
  for (const offset of all) {
    const expected = offsets.includes(offset) ? valueAt(offset) : null;
    expect((await log.read(offset))?.value ?? null).toBe(expected);
  }
}

test.each(ERRNOS)('%s at each call of a swap', async (errno) => {
  const measured = await prepare();
  expect(await measured.log.forStore().swap.swap(measured.made)).toBe(true);
  const callCount = measured.fileSystem.callCount - measured.firstCall + 1;
  expect(callCount).toBeGreaterThan(3);
  await measured.log.close();
  for (let call = 0; call < callCount; call++) {
    const { fileSystem, log, made, from, to, firstCall } = await prepare();
    const left = all.filter((offset) => offset < from || offset >= to || isKept({ offset }));
    fileSystem.addFault({ errno, fromCall: firstCall + call });
    const outcome = await log
      .forStore()
      .swap.swap(made)
      .catch((error: unknown) => error);
    fileSystem.clearFaults();
    if (outcome instanceof FailedError) {
      counts.set('failed the writer', (counts.get('failed the writer') ?? 0) + 1);
      await expectRecords(log, all); // Of this handle: the file that it has known all the time.
      expect(await rejectionOf(log.append({ value: 'late' }))).toBeInstanceOf(FailedError);
      await rejectionOf(log.close());
      const again = await openSwappable(fileSystem);
      expect(await temporaries(fileSystem)).toEqual([]);
      const isSwapped = (await again.read(from + (from % 2))) === null;
      await expectRecords(again, isSwapped ? left : all);
      await again.close();
      continue;
    }
    if (outcome === true) {
      await expectRecords(log, left);
      const refusal = await append(log).catch((error: unknown) => error);
      if (refusal !== null) {
        // The checkpoint behind the swap: it stands, and the writer has failed.
        counts.set('failed behind the swap', (counts.get('failed behind the swap') ?? 0) + 1);
        expect(refusal).toBeInstanceOf(FailedError);
        await rejectionOf(log.close());
        const again = await openSwappable(fileSystem);
        await expectRecords(again, left);
        await again.close();
        continue;
      }
      counts.set('of no matter', (counts.get('of no matter') ?? 0) + 1);
    } else {
      counts.set('passed by', (counts.get('passed by') ?? 0) + 1);
      expect(outcome).toBeInstanceOf(IoError);
      expect(await temporaries(fileSystem)).toEqual([]);
      await expectRecords(log, all);
      const next = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
      expect(await log.forStore().swap.swap(next)).toBe(true);
      await expectRecords(log, left);
      await append(log);
    }
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  }
  expect(counts.get('failed the writer')).toBeGreaterThanOrEqual(2); // The rename, and the sync.
  expect(counts.get('passed by')).toBeGreaterThanOrEqual(2);
});

test('what cannot be removed is told of, and is removed by the next opening', async () => {
  const { fileSystem, log, made } = await prepare();
  fileSystem.addFault({ errno: 'EIO', operations: ['unlink'], path: '.tmp' });
  const error = await rejectionOf(log.forStore().swap.swap(made, () => false));
  expect(error).toBeInstanceOf(IoError);
  expect(await temporaries(fileSystem)).toHaveLength(1);
  await expectRecords(log, all);
  expect(sealedOf(log)[1]).toBe(made.old);
  await log.close();
  await (await openSwappable(fileSystem)).close();
  expect(await temporaries(fileSystem)).toEqual([]);
});
