/** Every byte of a journal damaged, one at a time: what is shown, and what a repair brings back. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { isStoreError } from '../../src/core/errors.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { readWhole } from '../../src/io/transfer.ts';
import { openStore } from '../../src/store/open-store.ts';
import { repairJournal } from '../../src/store/repair-journal.ts';
import type { Store } from '../../src/store/store.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';

const FIRST_SEGMENT = `${STORE_PATH}/journal/00000000000000000000.log`;

type Tree = ReadonlyMap<string, Uint8Array | null>;

/** Files with their bytes, directories with null, parents first. */
async function treeOf(
  fileSystem: MemoryFileSystem,
  path: string,
): Promise<Map<string, Uint8Array | null>> {
  const { kind } = await fileSystem.stat(path);
  if (kind === 'file') return new Map([[path, await readWhole(fileSystem, path, 2 ** 22)]]);
  const tree = new Map<string, Uint8Array | null>([[path, null]]);
  for (const name of await fileSystem.list(path)) {
    for (const [at, bytes] of await treeOf(fileSystem, `${path}/${name}`)) tree.set(at, bytes);
  }
  return tree;
}

/** Of a reserve of a MiB, `toEqual` would take seconds. */
function textOf(tree: Tree): string {
  const files = [...tree].map(([path, bytes]) => [path, Buffer.from(bytes ?? []).toString('hex')]);
  return JSON.stringify(files);
}

async function diskOf(tree: Tree): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem();
  for (const [path, bytes] of tree) {
    if (bytes === null) await fileSystem.makeDirectory(path);
    else {
      const file = await fileSystem.open(path, 'create');
      await file.write(bytes, 0);
      await file.close();
    }
  }
  return fileSystem;
}

/** What a store knows, by the name of the topic: its partitions, and where its group stands. */
async function knownBy(store: Store): Promise<Record<string, string>> {
  const known: Record<string, string> = {};
  for (const { name, partitionCount } of store.topics()) {
    const group = store.groups().find(({ topic }) => topic === name);
    const topic = await store.topic(name, { codec: utf8 });
    const position = group === undefined ? '' : (await topic.describeGroup(group.name)).partitions;
    known[name] = `${partitionCount} ${JSON.stringify(position)}`;
  }
  return known;
}

interface Life {
  readonly tree: Tree;
  /** What was known when the journal ended at each offset. */
  readonly histories: readonly Record<string, string>[];
}

async function live({ withRun }: { readonly withRun: boolean }): Promise<Life> {
  const bench = new StoreBench();
  const store = await bench.open();
  const histories: Record<string, string>[] = [];
  const note = async (): Promise<void> => {
    histories.push(await knownBy(store));
  };
  await note();
  const one = await store.topic('one', { codec: utf8, partitions: 2 });
  await note();
  for (const value of ['a', 'b', 'c']) await one.append({ value }, { partition: 0 });
  await one.resetGroup('g', { offset: 2 }, { partitions: [0], dryRun: false });
  await note();
  if (withRun) await store.snapshot();
  await store.topic('two', { codec: utf8 });
  await note();
  await store.addPartitions('two', 2);
  await note();
  await store.addPartitions('one', 3);
  await note();
  await store.close();
  return { tree: await treeOf(bench.fileSystem, '/data'), histories };
}

function seams(fileSystem: MemoryFileSystem) {
  return { fileSystem, clock: new ManualClock(), random: new SeededRandom(3) };
}

describe.each([
  ['without a snapshot run', false],
  ['with a snapshot run', true],
])('a journal %s', (_name, withRun) => {
  test('any byte of it damaged: nothing is lost in silence, and it can be repaired', async () => {
    const { tree, histories } = await live({ withRun });
    const bytes = tree.get(FIRST_SEGMENT) ?? new Uint8Array();
    const all = histories.at(-1) ?? {};
    let damagedCount = 0;
    // A prime, so that all fields of all batches come up.
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = new Uint8Array(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      const fileSystem = await diskOf(new Map([...tree, [FIRST_SEGMENT, damaged]]));
      const store = await openStore(STORE_PATH, seams(fileSystem));
      const shown = await knownBy(store);
      const { damage } = store;
      await store.close();
      if (damage === null) {
        expect({ at, shown }).toEqual({ at, shown: all });
        continue;
      }
      damagedCount++;
      expect(isStoreError(damage, 'ERR_VARVE_CORRUPT')).toBe(true);
      // What is shown was true once; with a run, groups and topics may be of two moments.
      if (!withRun) expect(histories).toContainEqual(shown);
      const report = await repairJournal(STORE_PATH, seams(fileSystem));
      const again = await openStore(STORE_PATH, seams(fileSystem));
      expect({ at, damage: again.damage }).toEqual({ at, damage: null });
      const repaired = await knownBy(again);
      expect(Object.keys(repaired)).toEqual(expect.arrayContaining(Object.keys(shown)));
      // A topic that is not known any more, or not all of it, is named.
      const named = new Set(report.unknown.map(({ name }) => name));
      for (const name of Object.keys(all)) {
        const isWhole = repaired[name]?.split(' ')[0] === all[name]?.split(' ')[0];
        expect({ at, name, isAccounted: isWhole || named.has(name) }).toMatchObject({
          isAccounted: true,
        });
      }
      await again.topic('new', { codec: utf8 });
      await again.close();
    }
    expect(damagedCount).toBeGreaterThan(bytes.length / 7 / 4);
  }, 300_000);
});

test('a dry run changes nothing, and says what the repair will', async () => {
  const { tree } = await live({ withRun: false });
  const damaged = Uint8Array.from(tree.get(FIRST_SEGMENT) ?? []);
  damaged[140] = (damaged[140] ?? 0) ^ 0xff;
  const fileSystem = await diskOf(new Map([...tree, [FIRST_SEGMENT, damaged]]));
  const before = await treeOf(fileSystem, '/data');
  const dry = await repairJournal(STORE_PATH, { ...seams(fileSystem), dryRun: true });
  expect(textOf(await treeOf(fileSystem, '/data'))).toBe(textOf(before));
  const done = await repairJournal(STORE_PATH, seams(fileSystem));
  expect(dry).toEqual(done);
  expect(done.lost).toMatchObject([{ firstOffset: 0, nextOffset: 1 }]);
  expect(done.unknown).toMatchObject([{ name: 'one', partitionCount: 3, obstacle: null }]);
  const nothing = await repairJournal(STORE_PATH, seams(fileSystem));
  expect(nothing).toMatchObject({ lost: [], log: { damage: [] } });
});

test('a topic whose creation is lost is adopted when asked for', async () => {
  const { tree } = await live({ withRun: false });
  const damaged = Uint8Array.from(tree.get(FIRST_SEGMENT) ?? []);
  damaged[140] = (damaged[140] ?? 0) ^ 0xff;
  const fileSystem = await diskOf(new Map([...tree, [FIRST_SEGMENT, damaged]]));
  const report = await repairJournal(STORE_PATH, { ...seams(fileSystem), adopt: true });
  expect(report.unknown).toMatchObject([{ name: 'one', isAdopted: true, partitionCount: 3 }]);
  const store = await openStore(STORE_PATH, seams(fileSystem));
  expect(store.describeTopic('one').partitionCount).toBe(3);
  const topic = await store.topic('one', { codec: utf8 });
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  expect(values).toEqual(['a', 'b', 'c']);
  // Its group's position stands for itself, and was behind the damage.
  expect(store.groups()).toMatchObject([{ topic: 'one', name: 'g' }]);
  await store.close();
});
