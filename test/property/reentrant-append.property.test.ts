/** A codec is user code, and may append to the log that is about to append what it encodes. */
import { deepStrictEqual } from 'node:assert/strict';

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { MemoryFileSystem, openLog, type Log, type LogOptions } from '../../src/index.ts';
import { thrownBy } from '../support/log-fixture.ts';
import { asyncPropertyOptions } from '../support/property.ts';

type Key = string | Uint8Array | null;

/** What is appended while a value is encoded, before it or while one of its own is. */
interface Doing {
  readonly how: 'append' | 'appendBatch' | 'appendNoWait';
  readonly records: readonly Item[];
}

interface Item {
  readonly key: Key;
  readonly text: string;
  readonly meanwhile: readonly Doing[];
}

type Stored = readonly [key: string | null, value: string];

const key: fc.Arbitrary<Key> = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 70 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.constant(null) },
);
const how = fc.constantFrom('append', 'appendBatch', 'appendNoWait');
const text = fc.string({ unit: 'binary-ascii', maxLength: 60 });
const { doing } = fc.letrec<{ doing: Doing; item: Item }>((tie) => ({
  doing: fc.record({ how, records: fc.array(tie('item'), { maxLength: 8 }) }),
  item: fc.record({
    key,
    text,
    meanwhile: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(tie('doing'), { maxLength: 2 }) },
    ),
  }),
}));

/** Opens a log whose codec does what a value says before it encodes it. */
async function openReentrant(options: LogOptions<string, Item> = {}) {
  const waiting: Promise<unknown>[] = [];
  const log: Log<string, Item> = await openLog<string, Item>('/log', {
    fileSystem: new MemoryFileSystem(),
    durability: 'os',
    codec: {
      id: 'reentrant',
      encode: (item) => {
        for (const next of item.meanwhile) perform(next);
        return Buffer.from(item.text);
      },
      decode: (bytes) => Buffer.from(bytes).toString(),
    },
    ...options,
  });
  const perform = ({ how: call, records }: Doing): void => {
    const inputs = records.map((item) => ({ key: item.key, value: item }));
    if (call === 'appendBatch') waiting.push(log.appendBatch(inputs));
    else for (const input of inputs) waiting.push(Promise.resolve(log[call](input)));
  };
  return { log, perform, settled: () => Promise.all(waiting) };
}

/** What must be stored, in order: what is done while a call encodes goes in front of all of it. */
function storedBy({ how: call, records }: Doing): Stored[] {
  const own = records.map((item) => [keyText(item.key), item.text] as const);
  const before = records.map((item) => item.meanwhile.flatMap(storedBy));
  if (call === 'appendBatch') return [...before.flat(), ...own];
  return own.flatMap((stored, at) => [...(before[at] ?? []), stored]);
}

function keyText(of: Key): string | null {
  return of === null ? null : Buffer.from(of as string).toString('hex');
}

async function storedIn(log: Log<string, Item>): Promise<Stored[]> {
  const stored: Stored[] = [];
  for await (const record of log.records()) {
    const view = record.keyView();
    stored.push([view === null ? null : Buffer.from(view).toString('hex'), record.value ?? '']);
  }
  return stored;
}

function leaf(of: Key, meanwhile: readonly Doing[] = []): Item {
  return { key: of, text: `value of ${String(of)}`, meanwhile };
}

test('what a codec appends keeps its keys, and so does what is being encoded', async () => {
  const counts = { nested: 0, records: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(doing, { minLength: 1, maxLength: 5 }),
      fc.constantFrom(1024, 65_536),
      async (doings, batchBytesMax) => {
        const { log, perform, settled } = await openReentrant({ batchBytesMax });
        for (const one of doings) perform(one);
        await settled();
        await log.flushed();
        const expected = doings.flatMap(storedBy);
        deepStrictEqual(await storedIn(log), expected);
        counts.records += expected.length;
        counts.nested += expected.length - doings.flatMap(({ records }) => records).length;
        await log.close();
      },
    ),
    asyncPropertyOptions({ numRuns: 300 }),
  );
  expect(counts.nested).toBeGreaterThan(100);
  expect(counts.records).toBeGreaterThan(1000);
});

describe('other user code', () => {
  const inner: Doing = { how: 'appendBatch', records: ['INNER 1', 'INNER 2'].map((k) => leaf(k)) };
  const outer = ['outer 1', 'outer 2'].map((k) => ({ key: k, value: leaf(k) }));
  const expected = ['INNER 1', 'INNER 2', 'outer 1', 'outer 2'].map(keyText);

  async function expectKeys(run: (made: Awaited<ReturnType<typeof openReentrant>>) => unknown) {
    const made = await openReentrant();
    await run(made);
    await made.settled();
    const keys = (await storedIn(made.log)).map(([of]) => of);
    await made.log.close();
    expect(keys).toEqual(expected);
  }

  test('in a getter of a record may append', async () => {
    await expectKeys(({ log, perform }) => {
      const [first, second] = outer;
      const value = second?.value ?? null;
      const getting = {
        value,
        get key() {
          perform(inner);
          return second?.key;
        },
      };
      return log.appendBatch([first ?? { value: null }, getting]);
    });
  });

  test('in a getter of the options may append', async () => {
    let asked = 0;
    await expectKeys(({ log, perform }) => {
      const options = {
        get expectedOffset() {
          asked++;
          perform(inner);
          return undefined;
        },
      };
      return log.appendBatch(outer, options);
    });
    expect(asked).toBe(1); // Never behind the records, which are prepared in shared objects.
  });

  test('that fails after it appended leaves what it appended, and nothing else', async () => {
    const { log, perform, settled } = await openReentrant();
    const failing = {
      get value(): Item {
        perform(inner);
        throw new RangeError('user code');
      },
    };
    expect(thrownBy(() => log.appendBatch([...outer, failing]))).toBeInstanceOf(RangeError);
    await settled();
    await log.appendBatch(outer);
    expect((await storedIn(log)).map(([of]) => of)).toEqual(expected);
    await log.close();
  });

  test('that makes the list of records longer or shorter changes how many are appended', async () => {
    const { log } = await openReentrant();
    for (const change of [
      (list: unknown[]) => list.pop(),
      (list: unknown[]) => list.push(...outer),
    ]) {
      const list = [...outer];
      let isChanged = false;
      const first = {
        key: 'first',
        get value() {
          if (!isChanged) change(list);
          isChanged = true;
          return leaf('first');
        },
      };
      list.unshift(first);
      const { recordCount } = await log.appendBatch(list);
      expect(recordCount).toBe(list.length);
    }
    expect((await storedIn(log)).map(([of]) => of)).toEqual(
      ['first', 'outer 1', 'first', 'outer 1', 'outer 2', 'outer 1', 'outer 2'].map(keyText),
    );
    await log.close();
  });
});
