/** Each call of a swap fails: what was made is gone and the log goes on, or the writer has failed and is right. */
import { afterAll, expect, test } from 'vitest';

import { FailedError, IoError } from '../../src/core/errors.ts';
import type { Log } from '../../src/log/log.ts';
import type { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { faultyDisk, LOG_PATH, rejectionOf, valuesOf } from '../support/log-fixture.ts';
import {
  appendValues,
  makeNext,
  makeNextAt,
  openSwappable,
  sealedOf,
  valueAt,
} from '../support/swaps.ts';

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

/** The first swap of a log also makes durable what may have been left undone before it was opened. */
async function swapOnce(fileSystem: FaultyFileSystem, log: Log<string>): Promise<void> {
  const made = await makeNextAt(fileSystem, log, 0, { keeps: () => true });
  expect(await log.forStore().swap.swap(made)).toBe(true);
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
      await expectRecords(log, sealedOf(log)[1] === made.old ? all : left);
      const next = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
      expect(await log.forStore().swap.swap(next)).toBe(true);
      await expectRecords(log, left);
      await append(log);
    }
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  }
  expect(counts.get('passed by')).toBeGreaterThanOrEqual(2);
});

test.each([
  ['rename', 'EIO'],
  ['rename', 'EINTR'],
  ['rename', 'EROFS'],
  ['syncDirectory', 'EIO'],
  ['syncDirectory', 'ENOSPC'],
  ['syncDirectory', 'EDQUOT'],
] as const)(
  'a %s that fails with %s stops the writer: what is on the disk is not known',
  async (call, errno) => {
    const { fileSystem, log, made } = await prepare();
    await swapOnce(fileSystem, log);
    fileSystem.addFault({ errno, operations: [call] });
    const { swap } = log.forStore();
    const failure = { cause: { details: { operation: call, errno } } };
    expect(await rejectionOf(swap.swap(made))).toMatchObject(failure);
    fileSystem.clearFaults();
    expect(await rejectionOf(log.append({ value: 'late' }))).toMatchObject(failure);
    await expectRecords(log, all);
    expect(await rejectionOf(log.close())).toBeInstanceOf(FailedError);
  },
);

test.each(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EBUSY'])(
  'a rename that is refused (%s) has changed nothing: the writer goes on, and so does the next swap',
  async (errno) => {
    const { fileSystem, log, made } = await prepare();
    const { swap } = log.forStore();
    const { old } = made;
    fileSystem.addFault({ errno, operations: ['rename'], path: '.tmp', times: 2 });
    for (const attempt of [made, null]) {
      const error = await rejectionOf(
        swap.swap(attempt ?? (await makeNext(fileSystem, old, { keeps: isKept }))),
      );
      expect(error).toBeInstanceOf(IoError);
      expect(error).toMatchObject({ details: { operation: 'rename', errno } });
      expect(await temporaries(fileSystem)).toEqual([]);
      await append(log);
      expect(sealedOf(log)).toContain(old);
    }
    const next = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    expect(await swap.swap(next)).toBe(true);
    expect((await log.read(0))?.value ?? null).toBeNull();
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  },
);

/** Which calls change names, or make them durable, and whether they did. */
function nameCallsOf(fileSystem: FaultyFileSystem): string[] {
  const calls: string[] = [];
  const rename = fileSystem.rename.bind(fileSystem);
  const syncDirectory = fileSystem.syncDirectory.bind(fileSystem);
  const note = async (what: string, call: Promise<void>) => {
    const isDone = await call.then(() => true).catch(() => false);
    calls.push(isDone ? what : `no ${what}`);
    return call;
  };
  fileSystem.rename = (from, to) => note('rename', rename(from, to));
  fileSystem.syncDirectory = (path) => note('sync', syncDirectory(path));
  return calls;
}

test.each(['EMFILE', 'ENFILE'])(
  'where the directory cannot be opened (%s) the swap is in effect, and is durable before the next one',
  async (errno) => {
    const { fileSystem, log, made: second, from, to } = await prepare();
    const { swap } = log.forStore();
    await swapOnce(fileSystem, log);
    const first = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
    const calls = nameCallsOf(fileSystem);
    fileSystem.addFault({ errno, operations: ['syncDirectory'], times: 2 });
    const details = { operation: 'syncDirectory', errno };
    expect(await rejectionOf(swap.swap(second))).toMatchObject({ details });
    const left = all.filter((offset) => offset < from || offset >= to || isKept({ offset }));
    await expectRecords(log, left);
    expect(calls).toEqual(['rename', 'no sync']);
    // A power cut may undo it still; so nothing else is swapped.
    expect(await rejectionOf(swap.swap(first))).toMatchObject({ details });
    expect(calls).toEqual(['rename', 'no sync', 'no sync']);
    await expectRecords(log, left);
    await append(log);
    const again = await makeNext(fileSystem, first.old, { keeps: isKept });
    const later = await makeNextAt(fileSystem, log, 1, { keeps: isKept });
    calls.length = 0; // Who made them has synced the directory, of which the log does not know.
    expect(await swap.swap(again)).toBe(true);
    expect(await swap.swap(later)).toBe(true);
    expect(calls).toEqual(['sync', 'rename', 'sync', 'rename', 'sync']);
    expect(await temporaries(fileSystem)).toEqual([]);
    await log.close();
    expect(fileSystem.openFileCount).toBe(0);
  },
);

test('a sync that is owed and fails stops the writer, and nothing else is swapped', async () => {
  const { fileSystem, log, made } = await prepare();
  const { swap } = log.forStore();
  await swapOnce(fileSystem, log);
  const next = await makeNextAt(fileSystem, log, 0, { keeps: isKept });
  const calls = nameCallsOf(fileSystem);
  fileSystem.addFault({ errno: 'EMFILE', operations: ['syncDirectory'] });
  fileSystem.addFault({ errno: 'EIO', operations: ['syncDirectory'] });
  expect(await rejectionOf(swap.swap(made))).toBeInstanceOf(IoError);
  expect(await rejectionOf(swap.swap(next))).toBeInstanceOf(FailedError);
  expect(calls).toEqual(['rename', 'no sync', 'no sync']);
  expect(await rejectionOf(log.append({ value: 'late' }))).toBeInstanceOf(FailedError);
  await rejectionOf(log.close());
  const again = await openSwappable(fileSystem);
  expect(await temporaries(fileSystem)).toEqual([]);
  await again.close();
});

test('a sync that is owed when a log is closed is made up for before its next swap', async () => {
  const { fileSystem, log, made } = await prepare();
  await swapOnce(fileSystem, log);
  fileSystem.addFault({ errno: 'EMFILE', operations: ['syncDirectory'] });
  expect(await rejectionOf(log.forStore().swap.swap(made))).toBeInstanceOf(IoError);
  await log.close();
  const again = await openSwappable(fileSystem);
  const next = await makeNextAt(fileSystem, again, 0, { keeps: isKept });
  const calls = nameCallsOf(fileSystem);
  expect(await again.forStore().swap.swap(next)).toBe(true);
  expect(calls).toEqual(['sync', 'rename', 'sync']);
  await again.close();
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
