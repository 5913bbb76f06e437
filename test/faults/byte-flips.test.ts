/**
 * A small log, closed and not closed, with every byte changed, every length, every sector zeroed,
 * batches and files swapped, missing and of another log: reported or harmless, never silent.
 */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

import { CHECKPOINT_SLOT_BYTES, CHECKPOINT_SLOT_DISTANCE } from '../../src/format/layout.ts';
import { contentOf, damage } from '../support/disk-damage.ts';
import { judge, type Damage, type Judgement } from '../support/faults/damage-judge.ts';
import {
  isInIndex,
  loadSoundLog,
  makeSoundLog,
  offsetsIn,
  type SoundBatch,
  type SoundLog,
  type SoundSegment,
} from '../support/faults/sound-log.ts';
import { Tally } from '../support/faults/tally.ts';

const SECTOR_BYTES = 512;
const CHANGES = [
  { name: 'inverted', of: (byte: number) => byte ^ 0xff },
  { name: 'zeroed', of: () => 0 },
] as const;

const summaries: string[] = [];
const closed = await makeSoundLog({ seed: 1, isClosed: true });
const open = await makeSoundLog({ seed: 1, isClosed: false });
const other = await makeSoundLog({ seed: 2, isClosed: true });
/** What a killed writer leaves differs in its last segment and its checkpoint. */
const logs = [
  { name: 'a closed log', sound: closed, segments: closed.segments },
  { name: 'a log whose writer was killed', sound: open, segments: open.segments.slice(-1) },
];
const goldenFolder = join(import.meta.dirname, '..', '..', 'segments', 'v1', 'one-batch');
const golden = await loadSoundLog(goldenFolder);
/** Sealed segments that were rewritten: of two generations, and without records. */
const compacted = await loadSoundLog(join(goldenFolder, '..', 'compacted'));
const emptied = await loadSoundLog(join(goldenFolder, '..', 'compacted-empty'));
const compressed = await makeSoundLog({ seed: 1, isClosed: true, compression: 'gzip' });
if (compressed.segments[1]?.batches.some(({ isCompressed }) => isCompressed) !== true) {
  throw new Error('the segment that is damaged has a compressed batch');
}
const withGolden = [...logs, { name: 'a golden log', sound: golden, segments: golden.segments }];
/** Its checkpoint is like any other. */
const withCompressed = [
  ...withGolden,
  { name: 'a compressed log', sound: compressed, segments: compressed.segments.slice(1, 2) },
  { name: 'a compacted log', sound: compacted, segments: compacted.segments.slice(0, 2) },
  { name: 'a log whose records went', sound: emptied, segments: emptied.segments.slice(0, 2) },
];

describe.each(withCompressed)('$name', ({ name, sound, segments }) => {
  test.each(segments)('every byte of $path matters, or is of an index', async (segment) => {
    const tally = new Tally();
    for (const { at, change, mask } of changesOf(segment.bytes)) {
      const range = { from: at, to: at + 1 };
      const judgement = await tallied(tally, sound, {
        name: `byte ${at} of ${segment.path} ${change}`,
        files: [segment.path],
        offsets: offsetsIn(segment, range),
        apply: (fileSystem) =>
          damage(fileSystem, segment.path, (bytes) => withByte(bytes, at, mask)),
      });
      if (judgement === null) continue;
      const { verdict, isFound } = judgement;
      if ((verdict === 'harmless') !== isInIndex(segment, at) || !isFound) {
        const error = new Error(`${verdict}, ${isFound ? '' : 'not '}found by verify`);
        tally.fail(`byte ${at} of ${segment.path} ${change}`, error);
      }
    }
    summaries.push(tally.summary(`${name}, changed bytes of ${segment.path}`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('cases')).toBeGreaterThan(2 * segment.bytes.length);
  });

  test.each(segments)('every length of $path', async (segment) => {
    const tally = new Tally();
    for (let length = 0; length < segment.bytes.length; length++) {
      await tallied(tally, sound, {
        name: `${segment.path} cut to ${length} bytes`,
        files: [segment.path],
        offsets: offsetsIn(segment, { from: length, to: segment.bytes.length }),
        apply: (fileSystem) =>
          damage(fileSystem, segment.path, (bytes) => bytes.subarray(0, length)),
      });
    }
    summaries.push(tally.summary(`${name}, lengths of ${segment.path}`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('cases')).toBe(segment.bytes.length);
    expect(tally.of('harmless')).toBe(segment.bytes.length - dataEndOf(segment));
  });
});

describe.each(withGolden)('$name', ({ name, sound }) => {
  test('every byte and every length of the checkpoint is harmless', async () => {
    const tally = new Tally();
    const path = sound.checkpointPath;
    const bytes = contentOf(sound.fileSystem, path);
    const files = [path];
    for (const { at, change, mask } of changesOf(bytes, isOfSlot)) {
      await tallied(tally, sound, {
        name: `byte ${at} of the checkpoint ${change}`,
        files,
        offsets: new Set(),
        apply: (fileSystem) => damage(fileSystem, path, (content) => withByte(content, at, mask)),
      });
    }
    for (let length = 0; length < bytes.length; length += isOfSlot(length) ? 1 : 61) {
      await tallied(tally, sound, {
        name: `the checkpoint cut to ${length} bytes`,
        files,
        offsets: new Set(),
        apply: (fileSystem) => damage(fileSystem, path, (content) => content.subarray(0, length)),
      });
    }
    summaries.push(tally.summary(`${name}, checkpoint`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('harmless')).toBe(tally.of('cases'));
    expect(tally.of('cases')).toBeGreaterThan(5 * CHECKPOINT_SLOT_BYTES);
  });
});

describe.each(logs)('$name', ({ name, sound }) => {
  test('sectors zeroed, batches swapped and copied', async () => {
    const tally = new Tally();
    for (const each of [...zeroedSectors(sound), ...movedBatches(sound)]) {
      if (each.name.endsWith('swapped')) tally.count('pairs swapped');
      await tallied(tally, sound, each);
    }
    summaries.push(tally.summary(`${name}, sectors and batches`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('cases')).toBeGreaterThan(100);
    expect(tally.of('pairs swapped')).toBeGreaterThan(5);
    expect(tally.of('reported at read')).toBeGreaterThan(tally.of('cases') / 4);
  });

  test('files swapped, missing, and of another log', async () => {
    const tally = new Tally();
    for (const each of movedFiles(sound, other)) await tallied(tally, sound, each);
    summaries.push(tally.summary(`${name}, files`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('cases')).toBeGreaterThan(15);
    expect(tally.of('harmless')).toBe(0);
  });
});

async function tallied(tally: Tally, sound: SoundLog, each: Damage): Promise<Judgement | null> {
  tally.count('cases');
  try {
    const judgement = await judge(sound, each);
    tally.count(judgement.verdict);
    return judgement;
  } catch (error) {
    tally.fail(each.name, error);
    return null;
  }
}

interface ByteChange {
  readonly at: number;
  readonly change: string;
  /** To be XORed. */
  readonly mask: number;
}

/** Every byte inverted and zeroed, and one bit of each; of a checkpoint those of its slots. */
function* changesOf(
  bytes: Uint8Array,
  isUsed: (at: number) => boolean = () => true,
): Generator<ByteChange> {
  for (const [at, byte] of bytes.entries()) {
    if (!isUsed(at)) continue;
    for (const { name, of } of CHANGES) {
      if (of(byte) !== byte) yield { at, change: name, mask: of(byte) ^ byte };
    }
    const bit = at % 8;
    yield { at, change: `with bit ${bit} flipped`, mask: 1 << bit };
  }
}

/** Of the rest, which is zero and never looked at, one byte in 61. */
function isOfSlot(at: number): boolean {
  return at % CHECKPOINT_SLOT_DISTANCE < CHECKPOINT_SLOT_BYTES || at % 61 === 0;
}

function withByte(bytes: Uint8Array, at: number, mask: number): Uint8Array {
  bytes[at] = (bytes[at] ?? 0) ^ mask;
  return bytes;
}

/** Where the batches of an index begin, at its end: those of tables of ids, and the one with the entries. */
function dataEndOf({ batches, bytes, path }: SoundSegment): number {
  const last = batches.findLast(({ isIndex }) => !isIndex);
  if (last === undefined) throw new Error(`${path} has no batch of records`);
  return batches.find(({ position }) => position > last.position)?.position ?? bytes.length;
}

function* zeroedSectors({ segments }: SoundLog): Generator<Damage> {
  for (const segment of segments) {
    for (let from = 0; from < segment.bytes.length; from += SECTOR_BYTES) {
      const range = { from, to: Math.min(from + SECTOR_BYTES, segment.bytes.length) };
      yield {
        name: `sector ${from / SECTOR_BYTES} of ${segment.path} zeroed`,
        files: [segment.path],
        offsets: offsetsIn(segment, range),
        apply: (fileSystem) =>
          damage(fileSystem, segment.path, (bytes) => bytes.fill(0, range.from, range.to)),
      };
    }
  }
}

/** Each batch put over each other one; those of one size in one segment change places. */
function* movedBatches({ segments }: SoundLog): Generator<Damage> {
  const places = segments.flatMap((segment) =>
    segment.batches.filter(({ isIndex }) => !isIndex).map((batch) => ({ segment, batch })),
  );
  for (const one of places) {
    for (const two of places) {
      if (one === two) continue;
      const bytes = batchBytes(one);
      const from = two.batch.position;
      const range = { from, to: Math.min(from + bytes.length, two.segment.bytes.length) };
      yield {
        name: `batch at ${one.batch.position} of ${one.segment.path} over ${from} of ${two.segment.path}`,
        files: [two.segment.path],
        offsets: offsetsIn(two.segment, range),
        apply: (fileSystem) =>
          damage(fileSystem, two.segment.path, (content) => {
            content.set(bytes.subarray(0, range.to - from), from);
            return content;
          }),
      };
      if (one.segment === two.segment && isSwappable(one.batch, two.batch)) {
        yield swapped(one.segment, one.batch, two.batch);
      }
    }
  }
}

function isSwappable(one: SoundBatch, two: SoundBatch): boolean {
  return one.sizeBytes === two.sizeBytes && one.position < two.position;
}

function swapped(segment: SoundSegment, one: SoundBatch, two: SoundBatch): Damage {
  const places = [one, two].map(({ position, sizeBytes }) => ({
    from: position,
    to: position + sizeBytes,
  }));
  return {
    name: `batches at ${one.position} and ${two.position} of ${segment.path} swapped`,
    files: [segment.path],
    offsets: new Set(places.flatMap((range) => [...offsetsIn(segment, range)])),
    apply: (fileSystem) =>
      damage(fileSystem, segment.path, (content) => {
        content.set(batchBytes({ segment, batch: two }), one.position);
        content.set(batchBytes({ segment, batch: one }), two.position);
        return content;
      }),
  };
}

function batchBytes(place: {
  readonly segment: SoundSegment;
  readonly batch: SoundBatch;
}): Uint8Array {
  const { position, sizeBytes } = place.batch;
  return place.segment.bytes.subarray(position, position + sizeBytes);
}

function* movedFiles(sound: SoundLog, foreign: SoundLog): Generator<Damage> {
  const { segments } = sound;
  for (const [at, segment] of segments.entries()) {
    const whole = offsetsIn(segment, { from: 0, to: segment.bytes.length });
    const near = [segments[at - 1], segment, segments[at + 1]].flatMap((one) => one?.path ?? []);
    yield {
      name: `${segment.path} missing`,
      files: [...near, '/data/log'],
      offsets: whole,
      apply: (fileSystem) => fileSystem.disk.unlink({ operation: 'damage', path: segment.path }),
    };
    yield {
      name: `${segment.path} of another log`,
      files: [segment.path],
      offsets: whole,
      apply: (fileSystem) =>
        damage(fileSystem, segment.path, () => foreign.segments[at]?.bytes ?? new Uint8Array(0)),
    };
    for (const two of segments.slice(at + 1)) {
      yield {
        name: `${segment.path} and ${two.path} swapped`,
        files: [segment.path, two.path],
        offsets: new Set([...whole, ...offsetsIn(two, { from: 0, to: two.bytes.length })]),
        apply(fileSystem) {
          damage(fileSystem, segment.path, () => two.bytes);
          damage(fileSystem, two.path, () => segment.bytes);
        },
      };
    }
    yield {
      name: `${segment.path} empty`,
      files: [segment.path],
      offsets: whole,
      apply: (fileSystem) => damage(fileSystem, segment.path, () => new Uint8Array(0)),
    };
  }
}

afterAll(() => console.log(summaries.join('\n')));
