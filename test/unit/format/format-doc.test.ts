/** FORMAT.md says what the code does: its tables, its limits, and its example, byte for byte. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import * as limits from '../../../src/core/limits.ts';
import { emptyBatchHeader, readBatchHeader } from '../../../src/format/batch-header.ts';
import { CRC_MASK } from '../../../src/format/checksum.ts';
import { extensionOf } from '../../../src/format/extension.ts';
import { fingerprintsIn } from '../../../src/format/fingerprints-extension.ts';
import * as layout from '../../../src/format/layout.ts';
import { producedIn } from '../../../src/format/produced-extension.ts';
import { viewOf } from '../../../src/format/u64.ts';
import { reencode } from '../../support/golden/reencode.ts';
import { copyInMemory } from '../../support/golden/make-golden.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { utf8 } from '../../../src/codec/codec.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const text = readFileSync(join(root, 'src', 'format', 'FORMAT.md'), 'utf8');
const constants: Readonly<Record<string, unknown>> = { ...layout, ...limits };

const TYPE_BYTES: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8 };

interface Row {
  readonly at: number;
  readonly bytes: number;
  readonly field: string;
  /** Empty for reserved bytes. */
  readonly constant: string;
}

interface Layout {
  readonly rows: readonly Row[];
  readonly totalBytes: number;
  readonly totalConstant: string;
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''));
}

/** `u32`, `36` (bytes), `16 x 12` (so many times so many). */
function bytesOf(type: string): number {
  const factors = type.split(' x ').map((part) => TYPE_BYTES[part] ?? Number(part));
  return factors.reduce((product, factor) => product * factor, 1);
}

/** The tables with positions, each with the total that stands below it. */
function layouts(): Layout[] {
  const found: Layout[] = [];
  let rows: Row[] = [];
  for (const line of text.split('\n')) {
    const [at = '', type = '', field = '', constant = ''] = cellsOf(line);
    if (line.startsWith('|') && /^\d+$/.test(at) && /^(?:u\d+|\d+|\d+ x \d+)$/.test(type)) {
      rows.push({ at: Number(at), bytes: bytesOf(type), field, constant });
    }
    const total = /^<!-- total: (\d+) (\w+) -->$/.exec(line);
    if (total === null) continue;
    const [, totalBytes = '', totalConstant = ''] = total;
    found.push({ rows, totalBytes: Number(totalBytes), totalConstant });
    rows = [];
  }
  return found;
}

function layoutOf(totalConstant: string): Layout {
  const found = layouts().find((each) => each.totalConstant === totalConstant);
  if (found === undefined) throw new Error(`FORMAT.md has a table of ${totalConstant}`);
  return found;
}

/** The rows of the table whose header row has this cell. */
function tableWith(heading: string): string[][] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => cellsOf(line).includes(heading) && line.startsWith('|'));
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map(cellsOf);
}

describe('the tables of FORMAT.md', () => {
  test.each(layouts().map((each) => [each.totalConstant, each] as const))(
    '%s: every field stands where layout.ts has it, without a hole',
    (name, { rows, totalBytes }) => {
      expect(totalBytes).toBe(constants[name]);
      let at = 0;
      for (const row of rows) {
        const inLayout = row.constant === '' ? at : constants[row.constant];
        expect([row.field, row.at, inLayout]).toEqual([row.field, at, at]);
        at += row.bytes;
      }
      expect(at).toBe(totalBytes);
      expect(rows.length).toBeGreaterThan(2);
    },
  );

  test('name every position of layout.ts, and nothing else', () => {
    const named = layouts().flatMap(({ rows }) => rows.map(({ constant }) => constant));
    const positions = Object.keys(layout).filter((name) => name.endsWith('_AT'));
    expect(named.filter((name) => name !== '').sort()).toEqual(positions.sort());
    expect(positions.length).toBeGreaterThan(50);
  });

  test('state the limits as they are', () => {
    const rows = tableWith('value').map(([, constant = '', value = '']) => [
      constant,
      Number(value),
    ]);
    expect(rows.length).toBeGreaterThan(10);
    for (const [constant = '', value] of rows)
      expect(constants[constant], `${constant}`).toBe(value);
  });

  test('state the extension types, compressions, kinds, flags, magics and the mask as they are', () => {
    const types = tableWith('in batches of kind').map(([type, name = '']) => [name, Number(type)]);
    expect(Object.fromEntries(types)).toEqual(layout.ExtensionType);
    const compressions = tableWith('compression').map(([number, name = '']) => [
      name,
      Number(number),
    ]);
    expect(Object.fromEntries(compressions)).toEqual(layout.Compression);
    expect(layout.COMPRESSION_MASK).toBe(0b111); // "bits 0 to 2"
    const kinds = Object.entries(layout.BatchKind).map(([name, kind]) => `${kind} ${name}`);
    expect(text).toContain(`${kinds.join(', ')}; 0 is invalid`);
    const { RECORD_FLAG_NULL_VALUE, RECORD_FLAG_HEADERS } = layout;
    expect(text).toContain(`${RECORD_FLAG_NULL_VALUE} = the value is null`);
    expect(text).toContain(`${RECORD_FLAG_HEADERS} = there is a header block`);
    expect(text).toContain(`XOR\n\`0x${CRC_MASK.toString(16)}\``);
    expect(text).toContain(`\`0x${layout.NO_KEY.toString(16)}\` = no key`);
    const magics = [layout.SEGMENT_MAGIC, layout.BATCH_MAGIC, layout.CHECKPOINT_MAGIC];
    const names = magics.map((magic) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(magic);
      return bytes.toString('latin1');
    });
    const rows = layouts().flatMap(({ rows: own }) => own);
    expect(rows.filter(({ field }) => field === 'magic')).toHaveLength(names.length);
    for (const name of names) expect(text).toMatch(new RegExp(`\\| magic +\\|.*\`${name}\``));
  });
});

interface ExampleLine {
  readonly at: number;
  readonly bytes: readonly number[];
  /** What the line says, `field: value`; empty when it goes on with the field above. */
  readonly note: string;
}

/** The lines that hold bytes in the code block below a heading. */
function exampleLines(heading: string): ExampleLine[] {
  const block = text.split(`\n## ${heading}\n`).at(1)?.split('```').at(1) ?? '';
  return [...block.matchAll(/^ *(\d+) {2}((?:[0-9a-f]{2} ?)+)(?: +(.*))?$/gm)].map((match) => {
    const [, at = '', bytes = '', note = ''] = match;
    return {
      at: Number(at),
      bytes: bytes
        .trim()
        .split(' ')
        .map((byte) => Number.parseInt(byte, 16)),
      note,
    };
  });
}

/** How many of the lines state a number, after the bytes were found to hold it. */
function checkStated(lines: readonly ExampleLine[]): number {
  let checked = 0;
  for (const { bytes: own, note } of lines) {
    const stated = /^(?!create time)[a-z ]+: (0x[0-9a-f]+|\d+)/.exec(note)?.[1];
    if (stated === undefined) continue;
    const value = [...own].reverse().reduce((sum, byte) => sum * 256 + byte, 0);
    expect([note, value]).toEqual([note, Number(stated)]);
    checked++;
  }
  return checked;
}

describe('the example of FORMAT.md', () => {
  const lines = exampleLines('Example');
  const bytes = Uint8Array.from(lines.flatMap((line) => line.bytes));

  test('shows every byte once, in order, and is the golden directory that it names', () => {
    let at = 0;
    for (const line of lines) {
      expect(line.at).toBe(at);
      at += line.bytes.length;
    }
    const path = join(root, 'segments', 'v1', 'one-batch', '00000000000000000000.log');
    expect(Buffer.from(bytes)).toEqual(readFileSync(path));
    expect(text).toContain(`one segment of ${bytes.length} bytes`);
  });

  test.each([
    ['SEGMENT_HEADER_BYTES', 0],
    ['BATCH_HEADER_BYTES', layout.SEGMENT_HEADER_BYTES],
  ])('names each field of %s at its place', (name, start) => {
    const { rows } = layoutOf(name);
    for (const row of rows) {
      const line = lines.find((each) => each.at === start + row.at);
      expect(line?.note.split(':')[0]).toBe(row.field);
      expect(line?.bytes.length).toBe(Math.min(8, row.bytes));
    }
  });

  test('states values that the bytes hold', () => {
    expect(checkStated(lines)).toBeGreaterThan(30);
  });

  test('decodes to the records that it names, and encodes to equal bytes', async () => {
    const files = new Map([['00000000000000000000.log', bytes]]);
    const { fileSystem, path } = await copyInMemory(files);
    const log = await openLog(path, { fileSystem, codec: utf8, readOnly: true });
    const records = [];
    for await (const { key, value, createTimeMs } of log.records()) {
      records.push({ key, value, createTimeMs });
    }
    await log.close();
    expect(records).toEqual([
      { key: 'a', value: 'one', createTimeMs: 1000 },
      { key: null, value: 'two', createTimeMs: Date.UTC(2026, 0, 1, 0, 0, 1) },
    ]);
    expect(text).toContain(
      "`{ key: 'a', value: 'one', createTimeMs: 1000 }` and `{ value: 'two' }`",
    );
    const pieces = await reencode(files);
    expect(pieces.map(({ what }) => what)).toEqual(['header', 'data']);
    expect(Buffer.concat(pieces.map(({ after }) => after))).toEqual(Buffer.from(bytes));
  });
});

describe('the example of tagged batches', () => {
  const lines = exampleLines('Example of tagged batches');
  const file = join(root, 'segments', 'v1', 'tagged', '00000000000000000000.log');
  const bytes = readFileSync(file);

  /** What a field of the batch at a position says. */
  const batchAt = (at: number) => {
    const header = emptyBatchHeader();
    readBatchHeader(viewOf(bytes), at, header);
    return { header, extension: extensionOf(bytes, at, header), file };
  };

  test('shows bytes of the golden directory that it names, and what they hold', () => {
    for (const { at, bytes: own } of lines) {
      expect([at, ...bytes.subarray(at, at + own.length)]).toEqual([at, ...own]);
    }
    expect(checkStated(lines)).toBe(lines.length - 1); // A distance of two bytes is explained.
    const fields = lines.slice(0, 5).map(({ at, note }) => [at - 456, note.split(':')[0]]);
    const { rows } = layoutOf('BATCH_HEADER_BYTES');
    expect(fields).toEqual(rows.slice(-5).map((row) => [row.at, row.field]));
  });

  test('shows all that the two batches say', () => {
    for (const start of [456, 643]) {
      const { header } = batchAt(start);
      const from = start + layout.PRODUCER_ID_AT;
      const to = start + layout.BATCH_HEADER_BYTES + header.extensionBytes;
      const own = lines.filter(({ at }) => at >= from && at < to);
      expect(own.flatMap((line) => line.bytes)).toEqual([...bytes.subarray(from, to)]);
    }
    const fingerprints = fingerprintsIn(batchAt(456));
    expect([fingerprints?.count, fingerprints?.high(0), fingerprints?.has(1)]).toEqual([
      2,
      0x7b2b6e50,
      false,
    ]);
    expect(producedIn(batchAt(643))).toMatchObject({
      confirmed: 9,
      runs: [
        { sequence: 9, index: 0, count: 2 },
        { sequence: 400, index: 2, count: 1 },
      ],
    });
  });
});
