/** Whether the owner that LOCK names still holds it. */
import { hostname, uptime } from 'node:os';

import { describe, expect, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { currentOwner, judgeOwner } from '../../../src/io/lock-owner.ts';
import type { RecordedOwner } from '../../../src/io/lock-owner.ts';
import { decodeRecord, encodeRecord } from '../../../src/io/lock-record.ts';
import { NO_PID, parentOwner } from '../../support/lock-records.ts';

const LOCK = '1:2';
const NOW_MS = Date.now();
const BOOTED_MS = NOW_MS - uptime() * 1000;
const isLinux = process.platform === 'linux';

async function verdictOn(
  change: Partial<RecordedOwner>,
  own: { mechanism: string } = { mechanism: '' },
): Promise<string> {
  const clock = new ManualClock(NOW_MS);
  const found = await parentOwner(LOCK, { heartbeatAtMs: NOW_MS - 3_600_000, ...change });
  return judgeOwner(found, { own: currentOwner({ ...own, lockIdentity: LOCK }, clock), clock });
}

/** What the kernel names tell of an owner in another container. */
const ELSEWHERE = { pidNamespace: 'pid:[1]', networkNamespace: 'net:[1]' };
const OTHER_HOST = { ...ELSEWHERE, bootId: 'another', host: 'another' };

describe.skipIf(!isLinux)('an owner whose process can be seen', () => {
  test.each([
    ['lives', {}, 'live'],
    ['lives, but let go', { released: true }, 'gone'],
    ['is not there', { pid: NO_PID, threadId: NO_PID }, 'gone'],
    ['had the pid of another process', { startTime: 1 }, 'gone'],
    ['was a thread that ended', { threadId: NO_PID }, 'gone'],
    ['is this thread, in a copy of this module', currentOwnerFields(), 'live'],
    ['locked what was copied', { lockIdentity: '1:3' }, 'gone'],
    ['locked a file of the same number on another device', { lockIdentity: '9:2' }, 'gone'],
    [
      'is of a machine that was booted again',
      { bootId: 'b', heartbeatAtMs: BOOTED_MS - 60_000 },
      'gone',
    ],
  ] as const)('%s', async (_what, change, verdict) => {
    expect(await verdictOn(change)).toBe(verdict);
  });

  test.each([
    ['flock', 'flock', {}, 'gone'],
    ['flock+socket', 'socket', {}, 'gone'],
    ['flock', 'socket', {}, 'live'],
    ['socket', 'socket', { networkNamespace: 'net:[1]' }, 'live'],
    ['sqlite', 'sqlite', {}, 'live'], // A process loses that lock when it closes the file.
    ['owner-record', 'owner-record', {}, 'live'],
  ] as const)('by %s, for one that holds %s', async (theirs, mechanism, change, verdict) => {
    expect(await verdictOn({ mechanism: theirs, ...change }, { mechanism })).toBe(verdict);
  });

  function currentOwnerFields(): Partial<RecordedOwner> {
    const { pid, threadId, startTime } = currentOwner(
      { mechanism: '', lockIdentity: LOCK },
      new ManualClock(),
    );
    return { pid, threadId, startTime };
  }
});

describe('an owner whose heartbeat alone can be seen', () => {
  test.each([
    [0, 'live'],
    [29_999, 'live'],
    [30_000, 'stale'],
    [-29_999, 'live'],
    [-30_000, 'stale'],
    [86_400_000, 'stale'],
  ])('%d ms old', async (ageMs, verdict) => {
    const heartbeatAtMs = NOW_MS - ageMs;
    expect(await verdictOn({ ...OTHER_HOST, heartbeatAtMs })).toBe(verdict);
  });

  test.skipIf(!isLinux).each([
    ['in another pid namespace', { pidNamespace: 'pid:[1]' }],
    ['of another boot of a host with this name, just now', { bootId: 'b' }],
    ['where the device has another number', { ...OTHER_HOST, lockIdentity: '9:2' }],
  ])('%s', async (_what, change) => {
    expect(await verdictOn({ ...change, heartbeatAtMs: NOW_MS })).toBe('live');
    expect(await verdictOn({ ...change, heartbeatAtMs: NOW_MS, released: true })).toBe('gone');
  });

  test('of a copied directory is not asked', async () => {
    const change = { ...OTHER_HOST, lockIdentity: '9:3', heartbeatAtMs: NOW_MS };
    expect(await verdictOn(change)).toBe('gone');
  });

  test.skipIf(!isLinux)('in another container with a lock that we hold: gone', async () => {
    const change = { ...ELSEWHERE, mechanism: 'flock', heartbeatAtMs: NOW_MS };
    expect(await verdictOn(change, { mechanism: 'flock+socket' })).toBe('gone');
    const onSocket = { ...change, mechanism: 'socket' };
    expect(await verdictOn(onSocket, { mechanism: 'flock+socket' })).toBe('live');
  });
});

describe('the record', () => {
  const state = { nonce: 7, heartbeatAtMs: 2, released: false };
  const own = { ...currentOwner({ mechanism: 'a+b', lockIdentity: LOCK }, new ManualClock(1)) };
  const owner = { ...own, nonce: 7 };

  test.each([hostname(), '語'.repeat(64)])('survives a round trip: %s', (host) => {
    const expected = { ...owner, host, heartbeatAtMs: 2, released: false };
    expect(decodeRecord(encodeRecord({ ...owner, host }, state))).toEqual(expected);
  });

  test('whose second line is of an earlier owner: held since it was taken', () => {
    const late = { nonce: 8, heartbeatAtMs: 3, released: true };
    const expected = { ...owner, heartbeatAtMs: owner.acquiredAtMs, released: false };
    expect(decodeRecord(encodeRecord(owner, late))).toEqual(expected);
    const short = encodeRecord(owner, state).subarray(0, 900);
    expect(decodeRecord(short)).toEqual(expected);
  });

  test.each(['', '[]', 'null', '{}', '{"pid":1}', '{"pid":"1","host":"h"}', '{"pid'])(
    'names nobody when it reads %j',
    (content) => {
      expect(decodeRecord(Buffer.from(content))).toBeNull();
    },
  );

  test('names nobody without a pid that can be', () => {
    for (const pid of [0, -1, 1.5]) {
      expect(decodeRecord(encodeRecord({ ...owner, pid }, state))).toBeNull();
    }
  });
});
