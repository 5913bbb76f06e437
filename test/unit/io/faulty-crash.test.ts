/** Crash points, kills, schedules and determinism of the faulty twin. */
import { describe, expect, test, vi } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { File, FileSystem } from '../../../src/io/file-system.ts';
import { CrashError } from '../../support/call-gate.ts';
import type { CrashPoint } from '../../support/call-gate.ts';
import { crashStates } from '../../support/crash-states.ts';
import { contentOf } from '../../support/disk-damage.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import type { FaultyFileSystemOptions } from '../../support/faulty-file-system.ts';
import { TraceHash } from '../../support/trace-hash.ts';

function make(options: Partial<FaultyFileSystemOptions> = {}): FaultyFileSystem {
  return new FaultyFileSystem({ random: new SeededRandom(1), ...options });
}

function text(fs: FaultyFileSystem, path = '/a'): string {
  return Buffer.from(contentOf(fs, path)).toString();
}

/** Call 1 creates, 2 writes, 3 and 4 make it durable, 5 writes on the calling thread, 6 closes. */
async function workload(fs: FileSystem): Promise<string> {
  const file = await fs.open('/a', 'create');
  await file.write(Buffer.from('first'), 0);
  await file.datasync();
  await fs.syncDirectory('/');
  file.writeSync(Buffer.from('second'), 5);
  await file.close();
  return 'done';
}

async function crashedAt(point: CrashPoint): Promise<FaultyFileSystem> {
  const fs = make({ crashAt: point });
  expect(await fs.drive(workload(fs))).toEqual({ status: 'crashed' });
  expect(fs.callCount).toBe(point.call);
  return fs;
}

describe('a crash at a call', () => {
  test('before: the call did nothing', async () => {
    const fs = await crashedAt({ call: 2, when: 'before' });
    expect(fs.unsynced().map(({ kind }) => kind)).toEqual(['create']);
  });

  test('inside: a power cut decides what it did', async () => {
    const fs = await crashedAt({ call: 2, when: 'inside' });
    expect(fs.unsynced().map(({ kind }) => kind)).toEqual(['create', 'write']);
    expect(text(fs.crashImage({ data: 'all', names: 'all' }))).toBe('first');
    expect(text(fs.crashImage({ data: 'none', names: 'all' }))).toBe('');
  });

  test('after: it took effect, and nobody learned of it', async () => {
    const fs = await crashedAt({ call: 3, when: 'after' });
    expect(text(fs.crashImage({ data: 'none', names: 'all' }))).toBe('first');
    const before = await crashedAt({ call: 3, when: 'before' });
    expect(text(before.crashImage({ data: 'none', names: 'all' }))).toBe('');
    const inside = await crashedAt({ call: 3, when: 'inside' });
    expect(text(inside.crashImage({ data: 'none', names: 'all' }))).toBe('');
  });

  test('works for every call and every moment', async () => {
    const found = new Set<string>();
    for (let call = 1; call <= 6; call += 1) {
      for (const when of ['before', 'inside', 'after'] as const) {
        const fs = await crashedAt({ call, when });
        for (const { choice } of crashStates(fs)) {
          const image = fs.crashImage(choice);
          const [name] = await image.list('/');
          const content = name === undefined ? 'no file' : text(image).replaceAll('\0', '.');
          found.add(`${call > 4 ? 'synced' : 'before'}: ${content}`);
        }
      }
    }
    expect([...found].toSorted()).toEqual([
      'before: ',
      'before: .....',
      'before: first',
      'before: no file',
      'synced: first',
      'synced: first......',
      'synced: firstsecond',
    ]);
  });

  test('beyond the last call does not happen', async () => {
    const fs = make({ crashAt: { call: 7, when: 'before' } });
    expect(await fs.drive(workload(fs))).toEqual({ status: 'done', value: 'done' });
    expect(fs.isCrashed).toBe(false);
  });
});

describe('after the crash', () => {
  test('promises never settle, calls on the thread throw, and nothing changes', async () => {
    const fs = make();
    const file = await fs.open('/a', 'create');
    await file.write(Buffer.from('x'), 0);
    const settled = vi.fn<(result: unknown) => void>();
    const pending = file.write(Buffer.from('y'), 0); // Its effect was, but not its completion.
    fs.crash();
    await fs.crashed;
    for (const promise of [pending, file.datasync(), fs.stat('/a'), file.close()]) {
      promise.then(settled, settled);
    }
    expect(() => file.readSync(new Uint8Array(1), 0)).toThrow(CrashError);
    expect(() => file.writeSync(new Uint8Array(1), 0)).toThrow(CrashError);
    await fs.runUntilIdle();
    expect(settled).not.toHaveBeenCalled();
    expect(text(fs)).toBe('y');
    expect(fs.callCount).toBe(3);
  });

  test('what the program makes of it is not heard', async () => {
    const fs = make({ crashAt: { call: 2, when: 'inside' } });
    const work = async (): Promise<void> => {
      const file = await fs.open('/a', 'create');
      file.writeSync(Buffer.from('x'), 0);
    };
    expect(await fs.drive(work())).toEqual({ status: 'crashed' });
  });
});

describe('a kill', () => {
  test('leaves the cache: settled changes are there, and still unsynced', async () => {
    const fs = make();
    const file = await fs.open('/a', 'create');
    await file.write(Buffer.from('unsynced'), 0);
    const image = fs.killImage();
    expect(text(image)).toBe('unsynced');
    expect(await image.crashImage({ names: 'none' }).list('/')).toEqual([]);
    expect(text(image.crashImage({ names: 'all', data: 'none' }))).toBe('');
    const again = await image.open('/a', 'write');
    await again.datasync();
    await image.syncDirectory('/');
    expect(text(image.crashImage({ names: 'none', data: 'none' }))).toBe('unsynced');
    expect(text(fs.crashImage({ names: 'all', data: 'none' }))).toBe('');
  });

  test('frees locks and open files', async () => {
    const fs = make();
    await fs.lockDirectory('/');
    await fs.open('/a', 'create');
    const image = fs.killImage();
    expect(image.openFileCount).toBe(0);
    await image.lockDirectory('/');
  });

  test('leaves a write in flight whole, in part or not', async () => {
    const fs = await crashedAt({ call: 2, when: 'inside' });
    expect(text(fs.killImage({ inFlight: 'all' }))).toBe('first');
    expect(text(fs.killImage({ inFlight: 'none' }))).toBe('');
    const random = new SeededRandom(5);
    const contents = Array.from({ length: 200 }, () => text(fs.killImage({ random })));
    expect([...new Set(contents)].toSorted()).toEqual(['', 'f', 'fi', 'fir', 'firs', 'first']);
  });

  test('leaves a removed, open file nowhere, and its room free', async () => {
    const fs = make({ capacityBytes: 100 });
    const file = await fs.open('/a', 'create');
    await file.write(new Uint8Array(60), 0);
    await fs.syncDirectory('/');
    await fs.unlink('/a');
    expect((await fs.space('/')).freeBytes).toBe(40);
    const image = fs.killImage();
    expect((await image.space('/')).freeBytes).toBe(100);
    expect(await image.crashImage({ names: 'none' }).list('/')).toEqual(['a']); // Unlink unsynced.
  });
});

describe('a schedule', () => {
  function scheduled(seed: number): FaultyFileSystem {
    return make({ schedule: { random: new SeededRandom(seed) } });
  }

  async function openTwo(fs: FaultyFileSystem): Promise<readonly [File, File]> {
    const both = Promise.all([fs.open('/a', 'create'), fs.open('/b', 'create')]);
    const outcome = await fs.drive(both);
    if (outcome.status !== 'done') throw new Error('the files were not opened');
    return outcome.value;
  }

  test('completes calls of different files, and write and datasync of one, in any order', async () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 100; seed += 1) {
      const fs = scheduled(seed);
      const [a, b] = await openTwo(fs);
      const order: string[] = [];
      const calls = [
        a.datasync().then(() => order.push('sync')),
        a.write(Buffer.from('a'), 0).then(() => order.push('a')),
        b.write(Buffer.from('b'), 0).then(() => order.push('b')),
      ];
      await fs.drive(Promise.all(calls));
      orders.add(order.join(' '));
    }
    expect([...orders].toSorted()).toEqual([
      'a b sync',
      'a sync b',
      'b a sync',
      'b sync a',
      'sync a b',
      'sync b a',
    ]);
  });

  test('a datasync called before the write settled never covers it', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const fs = scheduled(seed);
      const [a] = await openTwo(fs);
      await fs.drive(Promise.all([a.write(Buffer.from('a'), 0), a.datasync()]));
      expect(text(fs.crashImage({ data: 'none', names: 'all' }))).toBe('');
      await fs.drive(a.datasync());
      expect(text(fs.crashImage({ data: 'none', names: 'all' }))).toBe('a');
    }
  });

  test('a call has no effect before it is completed', async () => {
    const fs = scheduled(1);
    const [a] = await openTwo(fs);
    const write = a.write(Buffer.from('a'), 0);
    expect(fs.waitingCount).toBe(1);
    expect(text(fs)).toBe('');
    expect(fs.completeOne()).toBe(true);
    expect(text(fs)).toBe('a');
    expect(await write).toBe(1);
    expect(fs.completeOne()).toBe(false);
  });

  test('close waits for the calls of its file', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const fs = scheduled(seed);
      const [a] = await openTwo(fs);
      const order: string[] = [];
      const calls = [
        a.write(Buffer.from('a'), 0).then(() => order.push('write')),
        a.datasync().then(() => order.push('sync')),
        a.close().then(() => order.push('close')),
      ];
      await fs.drive(Promise.all(calls));
      expect(order).toHaveLength(3);
      expect(order[2]).toBe('close');
    }
  });

  test('slow calls come last, mostly', async () => {
    let lastCount = 0;
    for (let seed = 0; seed < 200; seed += 1) {
      const random = new SeededRandom(seed);
      const fs = make({ schedule: { random, slow: ['datasync'] } });
      const [a, b] = await openTwo(fs);
      const order: string[] = [];
      const calls = [
        a.datasync().then(() => order.push('sync')),
        a.write(Buffer.from('a'), 0).then(() => order.push('a')),
        b.write(Buffer.from('b'), 0).then(() => order.push('b')),
      ];
      await fs.drive(Promise.all(calls));
      if (order[2] === 'sync') lastCount += 1;
    }
    expect(lastCount).toBeGreaterThan(150);
    expect(lastCount).toBeLessThan(200);
  });

  test('a power cut meets what waits: any of it may have happened', async () => {
    const fs = scheduled(1);
    const [a, b] = await openTwo(fs);
    await fs.drive(fs.syncDirectory('/'));
    void a.write(Buffer.from('a'), 0);
    void b.truncate(2);
    void fs.rename('/a', '/c');
    fs.crash();
    expect(fs.unsynced().map(({ kind }) => kind)).toEqual(['write', 'truncate', 'rename']);
    const image = fs.crashImage({ data: 'all', names: 'all' });
    expect((await driven(image, image.list('/'))).toSorted()).toEqual(['b', 'c']);
    expect([text(image, '/c'), text(image, '/b')]).toEqual(['a', '\0\0']);
    const none = fs.crashImage({ data: 'none', names: 'none' });
    expect([text(none, '/a'), text(none, '/b')]).toEqual(['', '']);
    const killed = fs.killImage({ inFlight: 'none' });
    expect(text(killed)).toBe('');
  });

  async function driven<T>(fs: FaultyFileSystem, work: Promise<T>): Promise<T> {
    const outcome = await fs.drive(work);
    if (outcome.status !== 'done') throw new Error(outcome.status);
    return outcome.value;
  }
});

describe('driving', () => {
  test('advances a clock when nothing else moves', async () => {
    const fs = make();
    const clock = new ManualClock();
    const work = new Promise<string>((resolve) => {
      clock.setTimer(() => resolve('fired'), 50);
    });
    const onIdle = (): boolean => {
      if (clock.pendingTimerCount === 0) return false;
      clock.advance(10);
      return true;
    };
    expect(await fs.drive(work, { onIdle })).toEqual({ status: 'done', value: 'fired' });
  });

  test('tells of a failure, and of a program that is stuck', async () => {
    const fs = make();
    const error = new Error('no');
    expect(await fs.drive(Promise.reject(error))).toEqual({ status: 'failed', error });
    await expect(fs.drive(new Promise(() => {}))).rejects.toThrow('no call is in flight');
  });
});

describe('one seed', () => {
  async function run(seed: number): Promise<string> {
    const random = new SeededRandom(seed);
    const trace = new TraceHash();
    const fs = make({ random, schedule: { random, slow: ['datasync'] }, trace: trace.record });
    const work = async (): Promise<void> => {
      const files = await Promise.all(['/a', '/b', '/c'].map((path) => fs.open(path, 'create')));
      for (let round = 0; round < 5; round += 1) {
        const writes = files.map((file, index) =>
          file.write(Buffer.alloc(900, index), round * 900),
        );
        await Promise.race(writes);
        await Promise.all([...writes, ...files.map((file) => file.datasync())]);
      }
      await fs.list('/');
      fs.crashAt = { call: fs.callCount + 2, when: 'inside' };
      await Promise.all(files.map((file) => file.truncate(100)));
    };
    expect(await fs.drive(work())).toEqual({ status: 'crashed' });
    const image = fs.crashImage();
    const names = image.disk.tree.root.entries.keys();
    const contents = ['/a', '/b', '/c'].map((path) => {
      const found = image.disk.tree.root.entries.has(path.slice(1));
      return found ? Buffer.from(contentOf(image, path)).toString('hex') : 'none';
    });
    return [trace.digest, ...names, ...contents].join(' ');
  }

  test('gives one trace and one image; another seed another', async () => {
    const first = await run(11);
    expect(await run(11)).toBe(first);
    expect(await run(12)).not.toBe(first);
  });
});
