import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../../src/index.ts';
import { UsageError } from '../../../tools/command-error.ts';
import { splitLines } from '../../../tools/line-splitter.ts';
import { recordFromJson, recordToJson } from '../../../tools/record-json.ts';

async function* chunksOf(
  chunks: readonly (Uint8Array | string)[],
): AsyncGenerator<Uint8Array | string> {
  yield* chunks;
}

async function linesOf(
  chunks: readonly (Uint8Array | string)[],
  lineBytesMax = 100,
): Promise<string[]> {
  const lines: string[] = [];
  for await (const group of splitLines(chunksOf(chunks), lineBytesMax)) {
    lines.push(...group.map((line) => Buffer.from(line).toString('latin1')));
  }
  return lines;
}

describe('splitLines', () => {
  test.each([
    ['nothing', [], []],
    ['one line feed', ['\n'], ['']],
    ['a last line without a line feed', ['a\nb'], ['a', 'b']],
    ['empty lines', ['\n\na\n\n'], ['', '', 'a', '']],
    ['carriage returns, which stay', ['a\r\nb\r\n'], ['a\r', 'b\r']],
    ['a line over several chunks', ['ab', '', 'cd', 'e\nf'], ['abcde', 'f']],
  ])('%s', async (_name, chunks, expected) => {
    expect(await linesOf(chunks)).toEqual(expected);
  });

  test('gives the same lines however the bytes are cut', async () => {
    const bytes = fc
      .uint8Array({ maxLength: 60 })
      .map((raw) => raw.map((byte) => (byte % 7 === 0 ? 10 : byte)));
    await fc.assert(
      fc.asyncProperty(bytes, fc.array(fc.nat(20)), async (whole, cuts) => {
        const chunks: Uint8Array[] = [];
        let rest = whole;
        for (const cut of cuts) {
          chunks.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        const expected = Buffer.from(whole).toString('latin1').split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(await linesOf([...chunks, rest])).toEqual(expected);
      }),
    );
  });

  test('refuses a line above the limit, naming it, before it is whole', async () => {
    await expect(linesOf(['ok\n', 'x'.repeat(60), 'x'.repeat(60)])).rejects.toThrow(
      new UsageError('line 2 of the input is longer than 100 bytes'),
    );
    expect(await linesOf([`${'x'.repeat(100)}\n`])).toHaveLength(1);
  });
});

describe('recordFromJson', () => {
  const parse = (text: string): unknown => recordFromJson(Buffer.from(text), 3);

  test('reads every field and ignores what the log gives itself', () => {
    const line = {
      offset: 7,
      appendTimeMs: 9,
      createTimeMs: 1000,
      key: 'k',
      headers: { a: 'x', b: { base64: '/w==' } },
      value: { base64: 'AAEC' },
    };
    expect(parse(JSON.stringify(line))).toEqual({
      createTimeMs: 1000,
      key: Buffer.from('k'),
      headers: { a: Buffer.from('x'), b: Buffer.from([255]) },
      value: Buffer.from([0, 1, 2]),
    });
  });

  test('needs a value only; null makes a tombstone', () => {
    expect(parse('{"value":"x"}')).toEqual({ key: null, headers: null, value: Buffer.from('x') });
    expect(parse('{"value":null,"key":"k"}')).toEqual({
      key: Buffer.from('k'),
      headers: null,
      value: null,
    });
  });

  test.each([
    ['not JSON', 'secret', 'line 3 of the input is not JSON'],
    ['an array', '["secret"]', 'line 3 of the input is not a JSON object'],
    ['no value', '{"key":"secret"}', 'line 3 of the input: expected "value" to be there'],
    [
      'a number as value',
      '{"value":7}',
      'expected "value" to be a string, null or {"base64": "..."}',
    ],
    ['an object as value', '{"value":{"secret":1}}', 'expected "value" to be a string'],
    ['bad base64', '{"value":{"base64":"secret!"}}', 'expected "value" to be a string'],
    ['more than base64', '{"value":{"base64":"AAEC","x":1}}', 'expected "value" to be a string'],
    ['a lone surrogate', String.raw`{"value":"\ud800"}`, 'expected "value" to be a string'],
    ['headers in an array', '{"value":"","headers":[]}', 'expected "headers" to be an object'],
    [
      'a number in a header',
      '{"value":"","headers":{"a":1}}',
      'expected "headers" to hold strings',
    ],
    [
      'a time that is none',
      '{"value":"","createTimeMs":"secret"}',
      'expected "createTimeMs" to be milliseconds',
    ],
    ['half a millisecond', '{"value":"","createTimeMs":1.5}', 'expected "createTimeMs"'],
  ])('refuses %s, naming the line and not its content', (_name, text, message) => {
    expect(() => parse(text)).toThrow(UsageError);
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).not.toThrow('secret');
  });

  test('refuses a line that is not UTF-8', () => {
    expect(() => recordFromJson(Buffer.from([0x22, 0xff, 0x22]), 1)).toThrow(
      'line 1 of the input is not UTF-8',
    );
  });
});

test('what recordToJson writes, recordFromJson reads back to the same bytes', () => {
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.string({ unit: 'grapheme' }).map((text) => new TextEncoder().encode(text)),
  );
  fc.assert(
    fc.property(
      fc.record({
        key: fc.option(bytes),
        value: fc.option(bytes),
        headers: fc.array(fc.tuple(fc.string(), bytes)),
        createTimeMs: fc.nat(),
      }),
      ({ key, value, headers, createTimeMs }) => {
        const record = {
          offset: 1,
          appendTimeMs: 2,
          createTimeMs,
          headers: new Map(headers),
          keyView: () => key,
          valueView: () => value,
        } as unknown as LogRecord<Uint8Array>;
        const line = Buffer.from(JSON.stringify(recordToJson(record)));
        const read = recordFromJson(line, 1);
        const plain = (found: string | Uint8Array | null | undefined): number[] | null =>
          found === null || found === undefined ? null : [...Buffer.from(found)];
        expect(plain(read.key)).toEqual(plain(key));
        expect(plain(read.value)).toEqual(plain(value));
        expect(read.createTimeMs).toBe(createTimeMs);
        const readHeaders = Object.entries(read.headers ?? {}).map(([name, found]) => [
          name,
          plain(found),
        ]);
        expect(new Map(readHeaders as [string, number[]][])).toEqual(
          new Map(Array.from(record.headers, ([name, found]) => [name, plain(found) ?? []])),
        );
      },
    ),
  );
});
