/** The checker itself: it must object to each breach that somebody could commit. */
import { describe, expect, test } from 'vitest';

import type { FoundLog } from '../support/simulation/found-log.ts';
import { Oracle } from '../support/simulation/oracle.ts';
import { makeRecord, type FoundRecord, type SentRecord } from '../support/simulation/records.ts';

const NOW_MS = 1_000_000;
const SHAPE = { valueBytesMax: 50, isUniform: false };

/** Ten records sent at 0 to 9: 0 to 7 acknowledged at `sync`, 8 at `os`, 9 in flight. */
function history(): { oracle: Oracle; sent: SentRecord[] } {
  const oracle = new Oracle();
  const sent = Array.from({ length: 10 }, (_, id) => makeRecord(id, NOW_MS, SHAPE));
  sent.forEach((record, offset) => oracle.sent(record, offset));
  sent.slice(0, 8).forEach((record, offset) => oracle.acked(record, offset, 'sync'));
  oracle.acked(at(sent, 8), 8, 'os');
  return { oracle, sent };
}

function at(sent: readonly SentRecord[], offset: number): SentRecord {
  const record = sent[offset];
  if (record === undefined) throw new Error(`no record ${offset}`);
  return record;
}

function found(record: SentRecord, offset: number): FoundRecord {
  const { key, value, headers, createTimeMs } = record;
  return { key, value, headers, createTimeMs, offset, epoch: 1, appendTimeMs: NOW_MS };
}

/** What a log that kept exactly the first records holds. */
function logOf(sent: readonly SentRecord[], changes: Partial<FoundLog> = {}): FoundLog {
  const records = sent.map(found);
  return { startOffset: 0, endOffset: records.length, epoch: 2, records, ...changes };
}

describe('histories that keep every promise', () => {
  test.each([
    ['a power cut that leaves what was synced', 'power', 8],
    ['a power cut that leaves more', 'power', 9],
    ['a power cut that leaves all', 'power', 10],
    ['a kill that leaves what was written', 'kill', 9],
    ['a kill that leaves all', 'kill', 10],
  ] as const)('%s', (_name, ending, kept) => {
    const { oracle, sent } = history();
    oracle.reopened(ending, logOf(sent.slice(0, kept)));
    expect(oracle.violations).toEqual([]);
    expect(oracle.checkedCount).toBe(kept);
    expect([oracle.end, oracle.durableEnd, oracle.epoch]).toEqual([kept, kept, 2]);
  });

  test('offsets that a power cut took back are given to other records', () => {
    const { oracle, sent } = history();
    oracle.reopened('power', logOf(sent.slice(0, 8)));
    const other = makeRecord(20, NOW_MS, SHAPE);
    oracle.sent(other, 8);
    oracle.acked(other, 8, 'sync');
    oracle.reopened('power', logOf([...sent.slice(0, 8), other], { epoch: 3 }));
    expect(oracle.violations).toEqual([]);
  });

  test('a trim that was asked for, answered or not', () => {
    for (const startOffset of [2, 3, 5]) {
      const { oracle, sent } = history();
      oracle.startMin = 2;
      oracle.startMax = 5;
      const records = sent.map(found).slice(startOffset);
      oracle.reopened('kill', logOf(sent, { startOffset, records }));
      expect(oracle.violations).toEqual([]);
    }
  });

  test('a gap that was reported', () => {
    const { oracle, sent } = history();
    oracle.lost({ firstOffset: 3, nextOffset: 5 });
    const records = sent.map(found).filter(({ offset }) => offset < 3 || offset >= 5);
    oracle.reopened('kill', logOf(sent, { records }));
    expect(oracle.violations).toEqual([]);
  });

  test('refused records whose offsets were given again', () => {
    const { oracle, sent } = history();
    oracle.refused(at(sent, 9));
    const next = makeRecord(10, NOW_MS, SHAPE);
    oracle.sent(next, 9);
    oracle.acked(next, 9, 'sync');
    oracle.reopened('power', logOf([...sent.slice(0, 9), next]));
    expect(oracle.violations).toEqual([]);
  });
});

describe('planted violations at an open', () => {
  type Planted = readonly [string, string, (sent: SentRecord[]) => FoundLog];
  const planted: readonly Planted[] = [
    ['A1', 'a synced record lost at the end', (sent) => logOf(sent.slice(0, 7))],
    ['A1', 'everything lost', () => logOf([])],
    [
      'A3',
      'a synced record lost in the middle',
      (sent) => logOf(sent, { records: sent.map(found).filter(({ offset }) => offset !== 4) }),
    ],
    [
      'A1',
      'a start that nobody moved',
      (sent) => logOf(sent, { startOffset: 2, records: sent.map(found).slice(2) }),
    ],
    [
      'A2',
      "two records in each other's place",
      (sent) => logOf(sent, { records: swapped(sent.map(found)) }),
    ],
    ['A2', 'a record that nobody sent', (sent) => logOf([...sent, makeRecord(99, NOW_MS, SHAPE)])],
    ['A2', 'an end beyond everything sent', (sent) => logOf(sent, { endOffset: 12 })],
    ['A3', 'a record behind the end', (sent) => logOf(sent, { endOffset: 9 })],
    ['A2', 'one bit of a value', (sent) => withRecord(sent, 5, { value: Uint8Array.of(1) })],
    ['A2', 'a lost key', (sent) => withRecord(sent, 5, { key: Uint8Array.of(9) })],
    ['A2', 'another create time', (sent) => withRecord(sent, 5, { createTimeMs: 1 })],
    [
      'A2',
      'a header too many',
      (sent) => withRecord(sent, 5, { headers: [['x', Uint8Array.of(1)]] }),
    ],
    ['A3', 'the same offset twice', (sent) => logOf(sent, { records: twice(sent.map(found)) })],
    ['A3', 'append times that go back', (sent) => withRecord(sent, 5, { appendTimeMs: 1 })],
    ['A3', 'epochs that go back', (sent) => withRecord(sent, 5, { epoch: 0 })],
    ['epoch', 'an epoch that was there before', (sent) => logOf(sent, { epoch: 0 })],
  ];

  test.each(planted)('%s: %s', (promise, _name, log) => {
    const { oracle, sent } = history();
    oracle.reopened('power', log(sent));
    expect(oracle.violations.join('\n')).toMatch(new RegExp(`^${promise}: `, 'm'));
  });

  test('A1: what only the kernel had is lost by a kill, or by a close', () => {
    const { oracle, sent } = history();
    oracle.reopened('kill', logOf(sent.slice(0, 8)));
    expect(oracle.violations).toHaveLength(1);
    const closed = history();
    closed.oracle.closed();
    closed.oracle.reopened('close', logOf(closed.sent.slice(0, 9)));
    expect(closed.oracle.violations).toHaveLength(1);
  });

  test('A2: a refused record appears', () => {
    const { oracle, sent } = history();
    oracle.refused(at(sent, 9));
    oracle.reopened('kill', logOf(sent));
    expect(oracle.violations.join('\n')).toMatch(/^A2: /m);
  });

  test('A2: a record comes back that a power cut took', () => {
    const { oracle, sent } = history();
    oracle.reopened('power', logOf(sent.slice(0, 8)));
    oracle.reopened('kill', logOf(sent.slice(0, 9), { epoch: 3 }));
    expect(oracle.violations.join('\n')).toMatch(/^A2: /m);
  });

  test('start: a trim that was answered is undone', () => {
    const { oracle, sent } = history();
    oracle.startMin = 3;
    oracle.startMax = 3;
    oracle.reopened('power', logOf(sent, { startOffset: 2, records: sent.map(found).slice(2) }));
    expect(oracle.violations.join('\n')).toMatch(/^start: /m);
  });
});

describe('planted violations while a log is open', () => {
  test('A3: an offset is given again', () => {
    const { oracle } = history();
    oracle.sent(makeRecord(11, NOW_MS, SHAPE), 7);
    expect(oracle.violations.join('\n')).toMatch(/^A3: /m);
  });

  test('A3: a record is acknowledged at another offset', () => {
    const { oracle, sent } = history();
    oracle.acked(at(sent, 9), 10, 'sync');
    expect(oracle.violations.join('\n')).toMatch(/^A3: /m);
  });

  test('A1: a record is acknowledged whose offset another has taken', () => {
    const { oracle, sent } = history();
    oracle.sent(makeRecord(11, NOW_MS, SHAPE), 9);
    oracle.acked(at(sent, 9), 9, 'sync');
    expect(oracle.violations.join('\n')).toMatch(/^A1: /m);
  });

  test('visible: a reader sees more than the log says is visible', () => {
    const { oracle, sent } = history();
    oracle.seen(found(at(sent, 8), 8), { visibleOffset: 8, isDurable: true });
    expect(oracle.violations.join('\n')).toMatch(/^visible: /m);
  });

  test('A2: a reader sees another record', () => {
    const { oracle, sent } = history();
    oracle.seen(found(at(sent, 3), 4), { visibleOffset: 8, isDurable: true });
    expect(oracle.violations.join('\n')).toMatch(/^A2: /m);
  });

  test('A1: what a reader of a synced log saw is lost by a power cut', () => {
    const { oracle, sent } = history();
    oracle.seen(found(at(sent, 9), 9), { visibleOffset: 10, isDurable: true });
    oracle.reopened('power', logOf(sent.slice(0, 8)));
    expect(oracle.violations.join('\n')).toMatch(/^A1: /m);
  });
});

function withRecord(sent: SentRecord[], offset: number, changes: Partial<FoundRecord>): FoundLog {
  const records = sent.map(found);
  records[offset] = { ...found(at(sent, offset), offset), ...changes };
  return logOf(sent, { records });
}

/** Each offset is right, and 3 and 4 hold each other's record. */
function swapped(records: FoundRecord[]): FoundRecord[] {
  return records.map((record) => {
    const other = { 3: 4, 4: 3 }[record.offset] ?? record.offset;
    return { ...(records[other] ?? record), offset: record.offset };
  });
}

function twice(records: FoundRecord[]): FoundRecord[] {
  return records.flatMap((record) => (record.offset === 5 ? [record, record] : [record]));
}
