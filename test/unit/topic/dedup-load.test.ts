/** What a topic knows of ids when it is opened: the same from tables, from batches, and from some of both. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { randomBelow, SeededRandom } from '../../../src/core/random.ts';
import { checksum } from '../../../src/format/checksum.ts';
import { extensionOf } from '../../../src/format/extension.ts';
import { fingerprintsIn } from '../../../src/format/fingerprints-extension.ts';
import { BATCH_HEADER_BYTES, CRC_AT, MAGIC_AT } from '../../../src/format/layout.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { LoadedIds } from '../../../src/topic/loaded-ids.ts';
import { nextTurn } from '../../../src/core/clock.ts';
import { turns } from '../../support/log-fixture.ts';
import { loadDedup } from '../../../src/topic/dedup-load.ts';
import { damage } from '../../support/disk-damage.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { walkSegment, type WalkedSegment } from '../../support/segment-walk.ts';

const SEED = 7;
const PARTITIONS = 2;
const WINDOW_MS = 100_000;
const START_MS = Date.UTC(2026, 0, 1);

async function openOn(fileSystem: FaultyFileSystem, nowMs: number) {
  const clock = new ManualClock(nowMs);
  const random = new SeededRandom(nowMs % 1000);
  const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
  const topic = await store.topic('t', {
    codec: utf8,
    partitions: PARTITIONS,
    durability: 'os',
    segmentBytesMax: 4096,
    dedupWindowMs: WINDOW_MS,
  });
  return { store, topic, clock };
}

/** A closed store: ids and plain records in both partitions, over more time than a window has. */
async function filled() {
  const random = new SeededRandom(SEED);
  const fileSystem = new FaultyFileSystem({ random });
  const { store, topic, clock } = await openOn(fileSystem, START_MS);
  let count = 0;
  for (let call = 0; call < 120; call++) {
    const partition = randomBelow(random, PARTITIONS);
    const records = Array.from({ length: 1 + randomBelow(random, 4) }, () => {
      const dedupId = randomBelow(random, 4) === 0 ? undefined : `order ${count++}`;
      return { value: 'v'.repeat(randomBelow(random, 300)), dedupId };
    });
    await topic.appendBatch(records, { partition });
    clock.advance(randomBelow(random, 3) * randomBelow(random, 900));
  }
  await store.close();
  const fingerprints = await fingerprintsOf(fileSystem);
  expect(fingerprints).toHaveLength(count);
  return { fileSystem, fingerprints, endMs: clock.now() };
}

/** High and low of each id, as the batches have them. */
async function fingerprintsOf(fileSystem: FaultyFileSystem) {
  const found: (readonly [high: number, low: number])[] = [];
  for (const path of await segmentsIn(fileSystem)) {
    for (const { bytes, header } of (await walkSegment(fileSystem, path)).batches) {
      const extension = extensionOf(bytes, 0, header);
      const fingerprints = fingerprintsIn({ header, extension, file: path });
      for (let at = 0; at < (fingerprints?.count ?? 0); at++) {
        if (fingerprints?.has(at) !== true) continue;
        found.push([fingerprints.high(at), fingerprints.low(at)]);
      }
    }
  }
  return found;
}

/** Of all partitions, in the order of offsets. */
async function segmentsIn(fileSystem: FaultyFileSystem): Promise<string[]> {
  const [topic = ''] = await fileSystem.list('/store/topics');
  const paths: string[] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const folder = join('/store/topics', topic, String(partition));
    const names = (await fileSystem.list(folder)).filter((name) => name.endsWith('.log')).sort();
    paths.push(...names.map((name) => join(folder, name)));
  }
  return paths;
}

type Filled = Awaited<ReturnType<typeof filled>>;

async function sealedSegments({ fileSystem }: Filled) {
  const sealed: { readonly path: string; readonly walked: WalkedSegment }[] = [];
  for (const path of await segmentsIn(fileSystem)) {
    const walked = await walkSegment(fileSystem, path);
    if (walked.index !== null) sealed.push({ path, walked });
  }
  return sealed;
}

function flip(fileSystem: FaultyFileSystem, path: string, position: number): void {
  damage(fileSystem, path, (bytes) => {
    bytes[position] = (bytes[position] ?? 0) ^ 0x10;
    return bytes;
  });
}

/** Where each id is, and where the window starts as time goes on. */
async function loaded({ fileSystem, fingerprints, endMs }: Filled, how: LoadWay = IN_MEMORY) {
  const { store, topic, clock } = await openOn(fileSystem, endMs);
  const { table, stored, windows } = await load(topic, clock, how.bytesMax);
  await how.meanwhile?.();
  const places: string[] = [];
  for (const [high, low] of fingerprints) {
    const found = [...table.find(high, low), ...(await stored.find(high, low))];
    places.push(
      found
        .map(({ partition, offset }) => `${partition}/${offset}`)
        .sort()
        .join(),
    );
  }
  const starts: number[][] = [];
  for (let nowMs = endMs; nowMs < endMs + WINDOW_MS + 1000; nowMs += 97) {
    starts.push([0, 1].map((partition) => windows.start(partition, nowMs)));
  }
  await store.close();
  const { isEmpty, needsDisk } = stored;
  return { known: { places, starts }, entryCount: table.count, isEmpty, needsDisk };
}

interface LoadWay {
  readonly bytesMax: number;
  /** When it is loaded, and nothing was looked for. */
  readonly meanwhile?: () => Promise<void>;
}

const IN_MEMORY: LoadWay = { bytesMax: 2 ** 28 };

function load(topic: StoreTopic<string>, clock: ManualClock, bytesMax: number) {
  const { partitions } = topic;
  return loadDedup({
    partitions,
    clock,
    settings: partitions.settings,
    settlingOf: () => null,
    begunAt: () => 0,
    time: null,
    ownFrom: [],
    bytesMax,
  });
}

/** A segment whose index says that it was made of data that ended otherwise. */
function otherEnd({ bytes, index }: WalkedSegment): Uint8Array {
  const forged = bytes.slice();
  const start = index?.position ?? 0;
  forged[start + BATCH_HEADER_BYTES + 4] = (forged[start + BATCH_HEADER_BYTES + 4] ?? 0) ^ 1;
  const crc = checksum(forged, start + MAGIC_AT, start + (index?.bytes.length ?? 0));
  viewOf(forged).setUint32(start + CRC_AT, crc, true);
  return forged;
}

describe('a topic with sealed segments', () => {
  test('knows the same by tables, by batches, and by some of both', async () => {
    const whole = await loaded(await filled());
    expect(whole.entryCount).toBeGreaterThan(100);
    expect(whole.isEmpty).toBe(true);
    const { places, starts } = whole.known;
    expect(places.filter((place) => place !== '').length).toBeGreaterThan(100);
    expect(new Set(starts.map(String)).size).toBeGreaterThan(20);
    for (const which of ['all', 'even', 'odd'] as const) {
      for (const part of ['table', 'index'] as const) {
        const log = await filled();
        let damaged = 0;
        for (const [at, { path, walked }] of (await sealedSegments(log)).entries()) {
          const isChosen = which === 'all' || at % 2 === (which === 'even' ? 0 : 1);
          const batch = part === 'table' ? walked.tables[0] : walked.index;
          if (!isChosen || batch == null) continue;
          flip(log.fileSystem, path, batch.position + 120);
          damaged++;
        }
        expect(damaged).toBeGreaterThan(2);
        expect(await loaded(log)).toEqual(whole);
      }
    }
  }, 60_000);

  test('reads no batch of a segment that has its table, and all where it has none', async () => {
    const log = await filled();
    const whole = await loaded(log);
    const segments = await sealedSegments(log);
    const chosen = segments[segments.length - 1];
    const batch = chosen?.walked.batches[2];
    const [table] = chosen?.walked.tables ?? [];
    if (chosen === undefined || batch === undefined || table === undefined) throw new Error('none');
    flip(log.fileSystem, chosen.path, batch.position + 130);
    expect(await loaded(log)).toEqual(whole);
    flip(log.fileSystem, chosen.path, table.position + 130);
    await expect(loaded(log)).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
  });

  test('does not believe a table of other data than the next segment goes on from', async () => {
    const log = await filled();
    const whole = await loaded(log);
    const segments = await sealedSegments(log);
    const chosen = segments[segments.length - 1];
    if (chosen === undefined) throw new Error('none');
    damage(log.fileSystem, chosen.path, () => otherEnd(chosen.walked));
    expect(await loaded(log)).toEqual(whole); // By its batches.
    flip(log.fileSystem, chosen.path, (chosen.walked.batches[2]?.position ?? 0) + 130);
    await expect(loaded(log)).rejects.toMatchObject({ code: 'ERR_VARVE_CORRUPT' });
  });
});

/** As `filled`, with the tables of every other segment damaged. */
async function withoutSome() {
  const log = await filled();
  for (const [at, { path, walked }] of (await sealedSegments(log)).entries()) {
    const [table] = walked.tables;
    if (at % 2 === 0 && table !== undefined) flip(log.fileSystem, path, table.position + 130);
  }
  return log;
}

describe('a topic with more ids than memory may have', () => {
  test.each([0, 300, 800, 1600])(
    'knows the same with %i bytes, by some on the disk',
    async (bytesMax) => {
      const whole = await loaded(await filled());
      const log = await filled();
      const over = await loaded(log, { bytesMax });
      expect(over.known).toEqual(whole.known);
      expect(over.needsDisk).toBe(true);
      expect(over.entryCount).toBeLessThan(whole.entryCount - 20);
    },
  );

  test('lets the oldest go while it is used, and knows them all the same', async () => {
    const whole = await loaded(await filled());
    const log = await filled();
    const { store, topic, clock } = await openOn(log.fileSystem, log.endMs);
    const all = await load(topic, clock, IN_MEMORY.bytesMax);
    const ids = new LoadedIds(topic.partitions, all, clock);
    const before = { count: all.table.count, bytes: ids.idBytes };
    ids.letGo(ids.idBytes / 2);
    for (let turn = 0; turn < 1000 && !all.stored.needsDisk; turn++) await nextTurn();
    await turns(50);
    expect(all.table.count).toBeLessThan(before.count * 0.8);
    expect(all.table.count).toBeGreaterThan(before.count * 0.2);
    expect(ids.idBytes).toBeLessThan(before.bytes);
    const places: string[] = [];
    for (const [high, low] of log.fingerprints) {
      const found = [...all.table.find(high, low), ...(await all.stored.find(high, low))];
      places.push(
        found
          .map(({ partition, offset }) => `${partition}/${offset}`)
          .sort()
          .join(),
      );
    }
    expect(places).toEqual(whole.known.places);
    await store.close();
  });

  test('keeps those of segments without a table in memory', async () => {
    const whole = await loaded(await filled());
    const over = await loaded(await withoutSome(), { bytesMax: 0 });
    expect(over.known).toEqual(whole.known);
    expect(over.isEmpty).toBe(false);
  });

  test('reads the batches of a segment when a bucket is damaged', async () => {
    const whole = await loaded(await filled());
    const log = await filled();
    const segments = await sealedSegments(log);
    let damaged = 0;
    const meanwhile = (): Promise<void> => {
      for (const { path, walked } of segments) {
        const [table] = walked.tables;
        if (table === undefined) continue;
        flip(log.fileSystem, path, table.position + 140); // In an entry.
        damaged++;
      }
      return Promise.resolve();
    };
    const over = await loaded(log, { bytesMax: 0, meanwhile });
    expect(damaged).toBeGreaterThan(4);
    expect(over.known).toEqual(whole.known);
    expect(over.needsDisk).toBe(false);
  });
});
