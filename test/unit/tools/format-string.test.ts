import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../../src/index.ts';
import { UsageError } from '../../../tools/command-error.ts';
import { compileFormat } from '../../../tools/format-string.ts';

function fakeRecord(
  key: Uint8Array | null,
  value: Uint8Array | null,
  headers: [string, Uint8Array][] = [],
): LogRecord<Uint8Array> {
  const record = {
    offset: 42,
    createTimeMs: 1000,
    appendTimeMs: 2000,
    sizeBytes: 77,
    headers: new Map(headers),
    keyView: () => key,
    valueView: () => value,
  };
  return record as unknown as LogRecord<Uint8Array>;
}

const record = fakeRecord(Buffer.from('key'), Buffer.from([0xff, 0x0a, 0x41]), [
  ['h1', Buffer.from('x')],
  ['h2', Buffer.from('y')],
]);

function format(text: string, from = record, escape = false): Buffer {
  const pieces = compileFormat(text, { escape });
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece(from))));
}

describe('compileFormat', () => {
  test.each([
    ['%o', '42'],
    ['%t %T', '1000 2000'],
    ['%t{iso}|%T{iso}', '1970-01-01T00:00:01.000Z|1970-01-01T00:00:02.000Z'],
    ['%k', 'key'],
    ['%k{hex}', '6b6579'],
    ['%v{hex}', 'ff0a41'],
    ['%v{base64}', '/wpB'],
    ['%h', 'h1=x,h2=y'],
    ['%s', '77'],
    ['100%%', '100%'],
    [String.raw`\t\n\r\0\\\x41`, '\t\n\r\0\\A'],
    ['no directives, ünïcode', 'no directives, ünïcode'],
    ['%k{}'.slice(0, 2), 'key'],
    ['', ''],
  ])('%s', (text, expected) => {
    expect(format(text).toString()).toBe(expected);
  });

  test('hands out bytes unchanged', () => {
    expect(format('<%v>')).toEqual(Buffer.from([0x3c, 0xff, 0x0a, 0x41, 0x3e]));
  });

  test('escapes control characters of the data for terminals', () => {
    const nasty = fakeRecord(Buffer.from('\u001B[2J'), Buffer.from('a\nb'), [
      ['\u0007', Buffer.from('\t')],
    ]);
    expect(format(String.raw`%k %v %h\n`, nasty, true).toString()).toBe(
      '\\x1b[2J a\\nb \\x07=\\t\n',
    );
    expect(format('%v{hex}', nasty, true).toString()).toBe('610a62');
  });

  test('prints nothing for a null key or value', () => {
    const tombstone = fakeRecord(null, null);
    expect(format('[%k|%v|%k{hex}|%v{base64}]', tombstone).toString()).toBe('[|||]');
    expect(format('[%k|%v]', tombstone, true).toString()).toBe('[|]');
  });

  test.each([
    ['%q', '%q at character 1'],
    ['abc%', '% at character 4'],
    ['%v{octal}', '%v{octal} at character 1'],
    ['%o{hex}', '%o{hex} at character 1'],
    ['%t{hex}', '%t{hex} at character 1'],
    [String.raw`a\q`, String.raw`\q at character 2`],
    [String.raw`\x4`, String.raw`\x at character 1`],
    ['%é', '% at character 1'],
    ['a\\', '\\ at character 2'],
  ])('refuses %s', (text, message) => {
    expect(() => compileFormat(text, { escape: false })).toThrow(UsageError);
    expect(() => compileFormat(text, { escape: false })).toThrow(
      `--format: ${message} is not understood`,
    );
  });
});
