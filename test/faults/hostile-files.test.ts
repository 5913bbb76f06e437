/**
 * Files that someone forged: every checksum is right, what they say is not. No crash of the
 * process, no hang, no allocation beyond the bound, and no error without a code.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';

import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import {
  BATCH_HEADER_BYTES,
  CHECKPOINT_SLOT_BYTES,
  CHECKPOINT_SLOT_DISTANCE,
  SEGMENT_HEADER_BYTES,
  UNCOMPRESSED_SIZE_BYTES,
} from '../../src/format/layout.ts';
import { contentOf, damage } from '../support/disk-damage.ts';
import {
  BATCH_FIELDS,
  CHECKPOINT_FIELDS,
  forgedValues,
  indexFields,
  readField,
  recordFields,
  reseal,
  SEGMENT_FIELDS,
  writeField,
  type Field,
  type Sealed,
} from '../support/faults/forged-fields.ts';
import { ALLOCATION_MAX, useForged } from '../support/faults/hostile-judge.ts';
import { makeSoundLog, type SoundLog, type SoundSegment } from '../support/faults/sound-log.ts';
import { Tally } from '../support/faults/tally.ts';

/** One lie, or several. */
interface Forgery {
  readonly path: string;
  readonly sealed: Sealed;
  readonly field: Field;
  readonly value: bigint;
}

const RANDOM_CASES = 600;
const SEED = Number(process.env['SEED'] ?? 20_260_101);

const summaries: string[] = [];
const sound = await makeSoundLog({ seed: 1, isClosed: true });
const killed = await makeSoundLog({ seed: 1, isClosed: false });
const compressed = await makeSoundLog({ seed: 1, isClosed: true, compression: 'gzip' });

let largestAllocation = 0;

beforeAll(() => {
  const original = Buffer.allocUnsafeSlow.bind(Buffer);
  Buffer.allocUnsafeSlow = (sizeBytes: number) => {
    largestAllocation = Math.max(largestAllocation, sizeBytes);
    return original(sizeBytes);
  };
  return () => void (Buffer.allocUnsafeSlow = original);
});

test.each(sound.segments)('forged headers of $path', async (segment) => {
  const sealed = { kind: 'segment header', at: 0, sizeBytes: SEGMENT_HEADER_BYTES } as const;
  const tally = await forgeAll('segment header', [
    ...forgeriesOf(segment.path, sealed, SEGMENT_FIELDS),
  ]);
  expect(tally.of('cases')).toBeGreaterThan(100);
});

test('forged batch headers: lengths, counts, offsets, positions, kinds', async () => {
  const forgeries = placesOf(sound.segments).flatMap(({ segment, sealed }) => [
    ...forgeriesOf(segment.path, sealed, BATCH_FIELDS),
  ]);
  const tally = await forgeAll('batch headers', forgeries);
  expect(tally.of('cases')).toBeGreaterThan(1000);
});

test('forged records: lengths, flags, offsets, keys and header blocks', async () => {
  const forgeries = placesOf(sound.segments)
    .filter(({ isIndex }) => !isIndex)
    .flatMap(({ segment, sealed }) => [
      ...forgeriesOf(segment.path, sealed, recordFields(BATCH_HEADER_BYTES, 'key 0'.length)),
    ]);
  const tally = await forgeAll('records', forgeries);
  expect(tally.of('cases')).toBeGreaterThan(200);
});

test('forged compressed batches: headers, the size before compression, the bytes themselves', async () => {
  const size: Field = { name: 'uncompressed size', at: BATCH_HEADER_BYTES, bytes: 4 };
  const stream = [0, 3, 9, 10, 20].map((at): Field => ({
    name: `compressed byte ${at}`,
    at: BATCH_HEADER_BYTES + UNCOMPRESSED_SIZE_BYTES + at,
    bytes: 1,
  }));
  const forgeries = compressed.segments.slice(0, 2).flatMap(({ path, batches }) =>
    batches
      .filter(({ isCompressed }) => isCompressed)
      .slice(0, 1)
      .flatMap(({ position, sizeBytes }) => {
        const sealed = { kind: 'batch', at: position, sizeBytes } as const;
        return [...forgeriesOf(path, sealed, [...BATCH_FIELDS, size, ...stream], compressed)];
      }),
  );
  const tally = await forgeAll('compressed batches', forgeries, [
    { log: compressed, name: 'compressed' },
  ]);
  expect(tally.of('cases')).toBeGreaterThan(500);
});

test('forged index batches: offsets, times and positions that are nonsense', async () => {
  const forgeries = placesOf(sound.segments)
    .filter(({ isIndex }) => isIndex)
    .flatMap(({ segment, sealed }) => [
      ...forgeriesOf(segment.path, sealed, indexFields(sealed.sizeBytes)),
    ]);
  const tally = await forgeAll('index batches', forgeries);
  expect(tally.of('cases')).toBeGreaterThan(80);
});

test('forged checkpoints, in one slot', async () => {
  const forgeries = [0, CHECKPOINT_SLOT_DISTANCE].flatMap((at) => {
    const sealed = { kind: 'checkpoint slot', at, sizeBytes: CHECKPOINT_SLOT_BYTES } as const;
    return [...forgeriesOf(sound.checkpointPath, sealed, CHECKPOINT_FIELDS)];
  });
  const tally = await forgeAll('checkpoint', forgeries);
  expect(tally.of('cases')).toBeGreaterThan(200);
});

test(`several lies at once, SEED=${SEED}`, async () => {
  const all = everyForgery();
  const tally = new Tally();
  for (let number = 0; number < RANDOM_CASES; number++) {
    const random = new SeededRandom(SEED + number);
    const lies = Array.from({ length: 2 + randomBelow(random, 3) }, () => pick(all, random));
    await forged(tally, lies, `SEED=${SEED + number} `);
  }
  finish('several lies', tally);
  expect(tally.of('cases')).toBe(RANDOM_CASES);
});

test('nothing was allocated beyond a batch and its window', () => {
  expect(largestAllocation).toBeGreaterThan(0);
  expect(largestAllocation).toBeLessThanOrEqual(ALLOCATION_MAX);
});

function everyForgery(): readonly Forgery[] {
  const header = { kind: 'segment header', at: 0, sizeBytes: SEGMENT_HEADER_BYTES } as const;
  const slots = [0, CHECKPOINT_SLOT_DISTANCE].map(
    (at) => ({ kind: 'checkpoint slot', at, sizeBytes: CHECKPOINT_SLOT_BYTES }) as const,
  );
  return [
    ...sound.segments.flatMap(({ path }) => [...forgeriesOf(path, header, SEGMENT_FIELDS)]),
    ...slots.flatMap((slot) => [...forgeriesOf(sound.checkpointPath, slot, CHECKPOINT_FIELDS)]),
    ...placesOf(sound.segments).flatMap(({ segment, sealed, isIndex }) => {
      const inside = isIndex
        ? indexFields(sealed.sizeBytes)
        : recordFields(BATCH_HEADER_BYTES, 'key 0'.length);
      return [...forgeriesOf(segment.path, sealed, [...BATCH_FIELDS, ...inside])];
    }),
  ];
}

/** First, last and index batch of each segment. */
function placesOf(segments: readonly SoundSegment[]) {
  return segments.flatMap((segment) => {
    const data = segment.batches.filter(({ isIndex }) => !isIndex);
    const chosen = new Set([data[0], data.at(-1), segment.batches.at(-1)]);
    return [...chosen].flatMap((batch) => {
      if (batch === undefined) return [];
      const { position, sizeBytes, isIndex } = batch;
      return [{ segment, isIndex, sealed: { kind: 'batch', at: position, sizeBytes } as const }];
    });
  });
}

function* forgeriesOf(
  path: string,
  sealed: Sealed,
  fields: readonly Field[],
  log = sound,
): Generator<Forgery> {
  const content = contentOf(log.fileSystem, path);
  for (const field of fields) {
    const at = sealed.at + field.at;
    if (at + field.bytes > Math.min(content.length, sealed.at + sealed.sizeBytes)) continue;
    for (const value of forgedValues(field.bytes, readField(content, at, field.bytes))) {
      yield { path, sealed, field, value };
    }
  }
}

async function forgeAll(
  name: string,
  forgeries: readonly Forgery[],
  logs = WRITTEN_LOGS,
): Promise<Tally> {
  const tally = new Tally();
  for (const forgery of forgeries) await forged(tally, [forgery], '', logs);
  finish(name, tally);
  return tally;
}

/** A log that was closed, and one whose writer was killed: the same bytes, but for the checkpoint. */
const WRITTEN_LOGS: readonly NamedLog[] = [
  { log: sound, name: 'closed' },
  { log: killed, name: 'killed' },
];

interface NamedLog {
  readonly log: SoundLog;
  readonly name: string;
}

async function forged(
  tally: Tally,
  lies: readonly Forgery[],
  where = '',
  logs = WRITTEN_LOGS,
): Promise<void> {
  tally.count('cases');
  for (const { log, name } of logs) {
    const make = () => {
      const fileSystem = log.fileSystem.killImage({ inFlight: 'none' });
      for (const { path, sealed, field, value } of lies) {
        damage(fileSystem, path, (content) => {
          if (sealed.at + field.at + field.bytes > content.length) return content;
          writeField(content, sealed.at + field.at, field.bytes, value);
          reseal(content, sealed);
          return content;
        });
      }
      return fileSystem;
    };
    try {
      await useForged(make, tally);
    } catch (error) {
      tally.fail(`${where}${name}: ${lies.map(nameOf).join(', ')}`, error);
    }
  }
}

function nameOf({ path, sealed, field, value }: Forgery): string {
  const file = path.slice(path.lastIndexOf('/') + 1);
  return `${field.name} = ${value} in the ${sealed.kind} at ${sealed.at} of ${file}`;
}

function pick<T>(choices: readonly T[], random: SeededRandom): T {
  return choices[randomBelow(random, choices.length)] as T; // There are some.
}

function finish(name: string, tally: Tally): void {
  summaries.push(tally.summary(name));
  expect(tally.failures).toEqual([]);
  const reports = tally.of('times ERR_VARVE_CORRUPT') + tally.of('findings of verify');
  expect(reports).toBeGreaterThanOrEqual(tally.of('cases')); // Each was seen by somebody.
  expect(tally.of('calls that answered')).toBeGreaterThan(tally.of('cases'));
}

afterAll(() => console.log(summaries.join('\n')));
