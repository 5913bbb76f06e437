/**
 * The C program of the bench does the engine's work: what one writes, the other reads.
 *
 * Needs gcc. With REQUIRE_ROOT_TESTS=1 a skip is a failure.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dumpSegment, openLog, type DumpEvent } from '../../src/index.ts';
import { buildLimit, hasZlib, runLimit, whyNoCompiler } from '../support/limit-program.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const skipReason = whyNoCompiler();
const isRequired = process.env['REQUIRE_ROOT_TESTS'] === '1';
const SEGMENT = '00000000000000000000.log';
const RECORDS = 20_000;

type BatchEvent = Extract<DumpEvent, { readonly type: 'batch' }>;

/** The batches of a segment file. Damage fails the test. */
async function batchesOf(file: string): Promise<readonly BatchEvent[]> {
  const events: DumpEvent[] = [];
  for await (const event of dumpSegment(file)) events.push(event);
  expect(events.filter(({ type }) => type === 'damage')).toEqual([]);
  expect(events[0]?.type).toBe('segment-header');
  return events.filter((event) => event.type === 'batch');
}

function inputOf(valueBytes: number) {
  return Array.from({ length: 1000 }, (_, n) => ({
    key: `key-${String(n).padStart(12, '0')}`,
    value: Buffer.alloc(valueBytes, 'a'),
  }));
}

/** A closed log of `RECORDS` records in segments of 1 MiB; @returns its segment files */
async function writeLog(path: string, valueBytes: number): Promise<readonly string[]> {
  const log = await openLog(path, { segmentBytesMax: 1024 * 1024 });
  const input = inputOf(valueBytes);
  for (let at = 0; at < RECORDS; at += input.length) await log.appendBatch(input);
  await log.close();
  return readdirSync(path)
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(path, name));
}

test.skipIf(skipReason === null || !isRequired)('REQUIRE_ROOT_TESTS: nothing may skip', () => {
  expect(skipReason).toBeNull();
});

describe.skipIf(skipReason !== null)(`limit.c (skipped: ${skipReason ?? 'no'})`, () => {
  const kinds = skipReason === null && hasZlib() ? (['zlib', 'own'] as const) : (['own'] as const);

  describe.each(kinds)('with the CRC-32 of %s', (crc) => {
    let home: string;
    let program: string;

    beforeAll(() => {
      home = mkdtempSync(join(tmpdir(), 'varve-test-'));
      program = buildLimit(home, crc);
    });

    afterAll(() => rmSync(home, { recursive: true, force: true }));

    test.each([
      ['append-os', 100],
      ['append-sync', 100],
      ['append-os', 1024],
      ['append-os', 0],
    ])('%s writes a segment of values of %i bytes that Varve reads', async (mode, valueBytes) => {
      const file = join(await temporaryDirectory(), SEGMENT);
      const { status, answers } = runLimit(program, file, [`${mode} ${valueBytes} ${RECORDS}`]);
      expect(status).toBe(0);
      expect(answers).toMatchObject([{ records: RECORDS, bytes: readFileSync(file).length, crc }]);
      const records = (await batchesOf(file)).flatMap((batch) => batch.records);
      expect(records.map(({ offset }) => offset)).toEqual([...Array(RECORDS).keys()]);
      const input = inputOf(valueBytes);
      const isAsPut = records.every(
        ({ key, value, offset }) =>
          key === input[offset % 1000]?.key && input[0]?.value.equals(value ?? Buffer.alloc(1)),
      );
      expect(isAsPut).toBe(true);
    });

    test.each([100, 1024])('makes batches like those of Varve: %i bytes', async (valueBytes) => {
      const directory = await temporaryDirectory();
      const file = join(directory, SEGMENT);
      runLimit(program, file, [`append-os ${valueBytes} ${RECORDS}`]);
      const [own] = await writeLog(join(directory, 'log'), valueBytes);
      const ofVarve = (await batchesOf(own ?? ''))[0]?.header;
      const ofC = (await batchesOf(file))[0]?.header;
      const { sizeBytes, recordCount, position, kind, lastOffsetDelta } = ofVarve ?? {};
      expect(sizeBytes).toBeGreaterThan(60_000);
      expect(ofC).toMatchObject({ sizeBytes, recordCount, position, kind, lastOffsetDelta });
    });

    test('scans what it wrote, again and again', async () => {
      const file = join(await temporaryDirectory(), SEGMENT);
      const lines = [`append-os 100 ${RECORDS}`, 'scan', 'scan'];
      const { status, answers } = runLimit(program, file, lines);
      expect(status).toBe(0);
      const touched = RECORDS * ((RECORDS - 1) / 2 + 116);
      expect(answers.slice(1)).toMatchObject([
        { records: RECORDS, touched },
        { records: RECORDS, touched },
      ]);
    });

    test('scans every segment that Varve wrote', async () => {
      const segments = await writeLog(join(await temporaryDirectory(), 'log'), 100);
      expect(segments.length).toBeGreaterThan(2); // Sealed ones end in an index batch.
      const runs = segments.map((file) => runLimit(program, file, ['scan']));
      expect(runs.map(({ stderr }) => stderr).join('')).toBe('');
      const records = runs.map(({ answers }) => answers[0]?.['records'] as number);
      expect(records.reduce((sum, count) => sum + count, 0)).toBe(RECORDS);
    });

    test.each([200, 300_000])('a damaged byte at %i ends the scan', async (position) => {
      const file = join(await temporaryDirectory(), SEGMENT);
      runLimit(program, file, [`append-os 100 ${RECORDS}`]);
      const bytes = readFileSync(file);
      bytes[position] = (bytes[position] ?? 0) ^ 1;
      writeFileSync(file, bytes);
      const { status, answers, stderr } = runLimit(program, file, ['scan']);
      expect(status).toBe(1);
      expect(answers).toEqual([]);
      expect(stderr).toContain('a wrong checksum');
    });

    test('a file that is there already is not written', async () => {
      const file = join(await temporaryDirectory(), SEGMENT);
      writeFileSync(file, 'precious');
      expect(runLimit(program, file, ['append-os 100 10']).status).toBe(1);
      expect(readFileSync(file, 'utf8')).toBe('precious');
    });
  });
});
