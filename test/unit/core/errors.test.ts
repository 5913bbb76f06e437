/** The table of errors: each class is built once, and each code has a class. */
import { describe, expect, test } from 'vitest';

import * as errors from '../../../src/core/errors.ts';
import { SequenceGapError } from '../../../src/core/producer-errors.ts';
import * as ownership from '../../../src/core/ownership-errors.ts';
import * as routing from '../../../src/core/routing-errors.ts';
import * as transaction from '../../../src/core/transaction-errors.ts';
import { argumentError } from '../../../src/core/assert.ts';
import { ioError, toIoError } from '../../../src/io/io-error.ts';

const cause = new Error('the first cause');
const file = { path: '/data/a', operation: 'write', position: 12 };
const range = { requested: 9, startOffset: 1, endOffset: 5 };
const corrupt = {
  file: '/data/a.log',
  position: 64,
  kind: 'batch',
  reason: 'crc stored=1 computed=2',
} as const;

type Row = readonly [error: errors.StoreError, message: string, retryable?: true];

/** Every concrete class, what it is built with, its message and whether a retry can help. */
const TABLE: readonly Row[] = [
  [new errors.ClosedError({ resource: 'log', name: '/data' }), 'log /data is closed'],
  [
    new errors.FailedError({ path: '/data', indeterminate: true }, { cause }),
    'the writer of /data failed and writes no more; close it and open it again',
  ],
  [
    new errors.LockedError({ path: '/d', holder: { pid: 7, host: 'h', mechanism: 'flock' } }),
    '/d is locked by process 7 on h (flock)',
    true,
  ],
  [new errors.LockedError({ path: '/d', holder: null }), '/d is locked by another process', true],
  [
    new errors.LockUnavailableError({
      path: '/d',
      tried: [
        { mechanism: 'socket', reason: 'no Linux' },
        { mechanism: 'flock', reason: 'no addon' },
      ],
    }),
    'no lock for /d: tried socket (no Linux), flock (no addon)',
  ],
  [
    new errors.ReadOnlyError({ operation: 'append', path: '/d' }),
    'append needs a writer, and /d is open read-only',
  ],
  [
    new errors.IoError({ ...file, errno: 'EIO' }, { cause }),
    'write of /data/a at byte 12 failed: EIO',
  ],
  [
    new errors.IoError({ ...file, position: null, errno: 'EMFILE' }),
    'write of /data/a failed: EMFILE',
    true,
  ],
  [
    new errors.DiskFullError({ ...file, errno: 'ENOSPC' }),
    'write of /data/a at byte 12 failed: ENOSPC',
    true,
  ],
  [
    new errors.CorruptLogError({ ...corrupt, firstOffset: 3, nextOffset: 9 }),
    'damaged batch at byte 64 of /data/a.log (offsets 3 to 8): crc stored=1 computed=2',
  ],
  [
    new errors.CorruptLogError({ ...corrupt, firstOffset: 3, nextOffset: 3 }),
    'damaged batch at byte 64 of /data/a.log (offsets 3 to unknown): crc stored=1 computed=2',
  ],
  [
    new errors.CorruptLogError({ ...corrupt, firstOffset: 3, nextOffset: null }),
    'damaged batch at byte 64 of /data/a.log (offsets 3 to unknown): crc stored=1 computed=2',
  ],
  [
    new errors.CorruptLogError({ ...corrupt, firstOffset: null, nextOffset: null }),
    'damaged batch at byte 64 of /data/a.log: crc stored=1 computed=2',
  ],
  [
    new errors.UnsupportedVersionError({ file: '/a', found: 9, supported: 1 }),
    '/a has format version 9, this library reads up to 1',
  ],
  [new errors.OffsetOutOfRangeError({ ...range, epoch: null }), 'offset 9 is not within 1 to 5'],
  [
    new errors.OffsetOutOfRangeError({ ...range, epoch: 2 }),
    'offset 9 of epoch 2 is not within 1 to 5',
  ],
  [
    new errors.WrongOffsetError({ expected: 1, actual: 2 }),
    'expected the end offset to be 1, it is 2',
  ],
  [
    new errors.TooLargeError({ what: 'record', bytes: 11, bytesMax: 10 }),
    'record of 11 bytes is above the limit of 10',
  ],
  [
    new errors.BackpressureError({ queuedBytes: 11, queuedBytesMax: 10 }),
    '11 bytes wait for the disk, the limit is 10: await earlier appends',
    true,
  ],
  [new errors.CodecError('no', { codec: 'json', offset: 4 }, { cause }), 'no'],
  [new errors.CodecUnavailableError('none', { codec: 'zstd', offset: null }), 'none'],
  [new errors.InvalidValueError('bad', { issues: [{ message: 'bad' }] }), 'bad'],
  [new errors.NotFoundError({ kind: 'log', name: '/d' }), 'there is no log at /d'],
  [new errors.NotFoundError({ kind: 'topic', name: 'orders' }), 'there is no topic orders'],
  [
    new errors.ConflictError({ kind: 'log', name: '/d', stored: '1', requested: '2' }),
    'log /d: stored 1, requested 2',
  ],
  [
    new ownership.FencedError({ kind: 'member', group: 'g', member: 'member-1', partition: 3 }),
    'member-1 of group g does not own partition 3 any more',
  ],
  [
    new ownership.FencedError({ kind: 'producer', producer: 'p', epoch: 2, currentEpoch: 3 }),
    'epoch 2 of producer p is over: the epoch is 3 now',
  ],
  [
    new SequenceGapError({ producer: 'p', topic: 't', expected: 3, found: 5 }),
    'producer p sent sequence 5 to t, expected 3',
  ],
  [
    new ownership.LeaseLostError({
      topic: 't',
      group: 'g',
      partition: 3,
      offset: 7,
      reason: 'expired',
    }),
    'the lease of offset 7 in partition 3 of t, group g, is over: expired',
  ],
  [
    new routing.BadPatternError({
      name: 'pattern',
      pattern: 'a.*',
      column: 3,
      reason: 'a lone surrogate',
    }),
    'the pattern "a.*" has a lone surrogate at column 3',
  ],
  [
    new routing.UnroutableError({ exchange: 'events', routingKey: 'a.b', index: 2 }),
    'no binding of exchange events takes "a.b" (record 2)',
  ],
  [
    new routing.NotRebuildableError({ destination: 't', reason: 'two exchanges feed it' }),
    't cannot be rebuilt: two exchanges feed it',
  ],
  [
    new errors.TooLargeError({ what: 'transaction', bytes: 3, bytesMax: 2, unit: 'acks' }),
    'transaction of 3 acks is above the limit of 2',
  ],
  [
    new transaction.TransactionEndedError({ name: '', state: 'committed' }),
    'transaction is closed: it is committed',
  ],
  [
    new transaction.TransactionEndedError({ name: 'transfer', state: 'timed-out' }),
    'transaction transfer is closed: it took longer than its `timeoutMs`',
  ],
];

describe('the table of errors', () => {
  test.each(
    TABLE.map(([error, message, retryable]) => ({
      error,
      message,
      isRetryable: retryable === true,
    })),
  )('$error', ({ error, message, isRetryable }) => {
    expect(error).toBeInstanceOf(errors.StoreError);
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toBe(message);
    expect(error.name).toBe(error.constructor.name);
    expect(error.retryable).toBe(isRetryable);
    expect(Object.keys(errors.ERROR_CODES)).toContain(error.code);
    expect(error).toHaveProperty('details');
  });

  test('has every class that the modules export', () => {
    const built = new Set<unknown>(TABLE.map(([error]) => error.constructor));
    const missing = Object.entries({ ...errors, ...ownership, ...routing, ...transaction })
      .filter(([name]) => /^[A-Z].*Error$/.test(name) && name !== 'StoreError')
      .filter(([, value]) => !built.has(value))
      .map(([name]) => name);
    expect(missing).toEqual([]);
  });

  test("uses every code, a caller's mistake included", () => {
    const used = new Set<string>(TABLE.map(([error]) => error.code));
    used.add(argumentError(TypeError, 'x', 'y', 1).code);
    expect([...used].toSorted()).toEqual(Object.keys(errors.ERROR_CODES).toSorted());
  });

  test('every code says in one sentence when it occurs', () => {
    for (const [code, sentence] of Object.entries(errors.ERROR_CODES)) {
      expect(code).toMatch(/^ERR_VARVE_[A-Z_]+$/);
      expect(sentence).toMatch(/^[a-z].*[^.]$/);
    }
  });

  test('a cause is kept', () => {
    const withCause = TABLE.map(([error]) => error).filter((error) => error.cause !== undefined);
    expect(withCause.map(({ name }) => name)).toEqual(['FailedError', 'IoError', 'CodecError']);
    for (const error of withCause) expect(error.cause).toBe(cause);
  });
});

describe('narrowing', () => {
  test('by code works across two copies of the package', () => {
    const foreign = Object.assign(new Error('x'), { code: 'ERR_VARVE_LOCKED' });
    expect(errors.isStoreError(foreign, 'ERR_VARVE_LOCKED')).toBe(true);
    expect(errors.isStoreError(foreign, 'ERR_VARVE_IO')).toBe(false);
    expect(errors.isStoreError({ code: 'ERR_VARVE_IO' }, 'ERR_VARVE_IO')).toBe(false);
    expect(errors.isStoreError(null, 'ERR_VARVE_IO')).toBe(false);
  });

  test('by errno', () => {
    const error = ioError('ENOENT', { operation: 'open', path: '/a' });
    expect(errors.isIoError(error)).toBe(true);
    expect(errors.isIoError(error, 'EIO', 'ENOENT')).toBe(true);
    expect(errors.isIoError(error, 'EIO')).toBe(false);
    expect(errors.isIoError(new Error('ENOENT'), 'ENOENT')).toBe(false);
  });
});

describe('a platform error', () => {
  const at = { operation: 'open', path: '/a' };

  test.each(['ENOSPC', 'EDQUOT', 'EFBIG'])('%s is a full disk', (errno) => {
    expect(ioError(errno, at)).toBeInstanceOf(errors.DiskFullError);
  });

  test('keeps its name and itself as the cause', () => {
    const platform = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    const error = toIoError(platform, { ...at, position: 3 });
    expect(error.details).toEqual({ ...at, position: 3, errno: 'EACCES' });
    expect(error.cause).toBe(platform);
  });

  test('that is one of ours stays itself; one without a name is UNKNOWN', () => {
    const ours = ioError('EIO', at);
    expect(toIoError(ours, at)).toBe(ours);
    expect(toIoError('oops', at).details.errno).toBe('UNKNOWN');
    expect(toIoError(Object.assign(new Error('x'), { code: 5 }), at).details.errno).toBe('UNKNOWN');
  });
});
