/** What /proc says of threads: the ones that run, and the ones that ended a moment ago. */
import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { currentThread, fateOfThread, startTimeIn } from '../../../src/io/process-table.ts';

/** A line as the kernel writes it; `PF_EXITING` is 4, `PF_RANDOMIZE` is 0x400000. */
function statLine({ name = 'node', state = 'R', flags = 0x400000 }): string {
  return `4711 (${name}) ${state} 1 4711 4711 0 -1 ${flags} 1 2 3 4 5 6 7 8 20 0 11 0 987654 1 2 3`;
}

const ofMain = (stat: string): number | null => startTimeIn(stat, { isMainThread: true });
const ofWorker = (stat: string): number | null => startTimeIn(stat, { isMainThread: false });

describe('the line of a thread', () => {
  test('tells when it started, whatever its name', () => {
    expect(ofMain(statLine({}))).toBe(987654);
    expect(ofWorker(statLine({ state: 'S' }))).toBe(987654);
    for (const name of ['a b', ') R 1 2 3', '((', ''])
      expect(ofMain(statLine({ name }))).toBe(987654);
  });

  test.each(['Z', 'X'])('%s: it has ended', (state) => {
    expect(ofMain(statLine({ state }))).toBeNull();
    expect(ofWorker(statLine({ state }))).toBeNull();
  });

  test('a worker on its way out has ended; a process on its way out has not', () => {
    const stat = statLine({ flags: 0x400004 });
    expect(ofWorker(stat)).toBeNull();
    expect(ofMain(stat)).toBe(987654);
  });

  test('without a time there is none', () => {
    expect(ofMain('4711 (node) R 1 2')).toBeNull();
    expect(ofMain('')).toBeNull();
  });
});

describe.skipIf(process.platform !== 'linux')('the thread that asks', () => {
  test('is alive; one of its id that started earlier is dead', () => {
    const own = currentThread();
    const stat = readFileSync(`/proc/thread-self/stat`, 'utf8');
    expect(own).toEqual({
      pid: process.pid,
      threadId: parseInt(stat, 10),
      startTime: ofMain(stat),
    });
    expect(fateOfThread(own)).toBe('alive');
    expect(fateOfThread({ ...own, startTime: (own.startTime ?? 0) - 1 })).toBe('dead');
  });
});
