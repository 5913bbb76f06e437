import fs from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { foldProfile } from '../../bench/profile/fold.ts';
import { formatHeap, formatProfile, profileLegend } from '../../bench/profile/format-profile.ts';
import { FsWaits } from '../../bench/profile/fs-waits.ts';
import { profilePlans } from '../../bench/profile/plan.ts';
import { sourcePathOf, STAGE_RULES, STAGES, stageOf } from '../../bench/profile/stages.ts';

const root = join(import.meta.dirname, '..', '..');

/** One frame of a profile; `file` is a source path, a module of Node, or empty for a builtin. */
function node(id: number, functionName: string, file: string, children: readonly number[] = []) {
  const url = /^(?:src|bench)\//.test(file)
    ? `file:///home/x/varve/dist/${file.replace(/\.ts$/, '.js')}`
    : file;
  const callFrame = { functionName, url, scriptId: '1', lineNumber: 1, columnNumber: 1 };
  return { id, callFrame, children: [...children] };
}

const PROFILE = {
  nodes: [
    node(1, '(root)', '', [2, 3, 4, 5, 8, 11, 12]),
    node(2, '(idle)', ''),
    node(3, '(garbage collector)', ''),
    node(4, '(program)', ''),
    node(5, 'appendBatch', 'src/log/log.ts', [6]),
    node(6, 'add', 'src/log/batch-builder.ts', [7]),
    node(7, 'utf8Write', ''),
    node(8, 'scanAll', 'bench/profile/workloads.ts', [9]),
    node(9, 'checksum', 'src/format/checksum.ts', [10]),
    node(10, 'crc32', ''),
    node(11, 'post', 'node:inspector', [13]),
    node(12, 'listOnTimeout', 'node:internal/timers'),
    node(13, 'dispatch', ''),
  ],
  startTime: 0,
  endTime: 1_000_000,
  samples: [2, 3, 4, 5, 6, 7, 7, 8, 10, 12, 13, 4],
  timeDeltas: [100, 200, 50, 300, 400, 500, 500, 70, 80, 30, 10_000, -20],
};

describe('the table of stages', () => {
  test('names files and folders of the repository only', () => {
    for (const { path } of STAGE_RULES) {
      if (path === undefined) continue;
      expect(fs.existsSync(join(root, path)), path).toBe(true);
      expect(fs.statSync(join(root, path)).isDirectory(), path).toBe(path.endsWith('/'));
    }
  });

  test('names functions that its files have', () => {
    for (const { path, functions = [] } of STAGE_RULES) {
      if (path === undefined || path.endsWith('/')) continue;
      const source = fs.readFileSync(join(root, path), 'utf8');
      for (const name of functions) {
        expect(source.includes(`${name}(`) || source.includes(`${name}:`), `${path} ${name}`).toBe(
          true,
        );
      }
    }
  });

  test('has every rule once', () => {
    const keys = STAGE_RULES.map(({ path, module, functions }) =>
      JSON.stringify([path, module, functions]),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  test.each([
    ['checksum', 'src/format/checksum.ts', 'crc'],
    ['next', 'src/format/batch-cursor.ts', 'decode'],
    ['add', 'src/format/batch-encoder.ts', 'encode'],
    ['datasync', 'src/io/node-file-system.ts', 'sync'],
    ['stat', 'src/io/node-file-system.ts', null],
    ['writeSync', 'node:fs', 'write'],
    ['processTicksAndRejections', 'node:internal/process/task_queues', 'promises'],
    ['set', '', null],
    ['(idle)', '', 'idle'],
    ['(idle)', 'src/io/lock-guard.ts', null],
  ])('puts %s of %s into %s', (functionName, file, stage) => {
    expect(stageOf(node(1, functionName, file).callFrame)).toBe(stage);
  });

  test('knows compiled files by their sources', () => {
    expect(sourcePathOf('file:///x/dist/src/log/log.js')).toBe('src/log/log.ts');
    expect(sourcePathOf('file:///x/node_modules/crc-32/crc32.js')).toBeNull();
    expect(sourcePathOf('node:fs')).toBeNull();
  });
});

describe('folding a profile', () => {
  const folded = foldProfile(PROFILE);
  const msOf = Object.fromEntries(folded.stages.map(({ stage, ms }) => [stage, ms]));

  test('sums samples by stage; what has no rule works for its caller', () => {
    expect(msOf).toMatchObject({
      idle: 0.1,
      gc: 0.2,
      promises: 0.3,
      encode: 1.4, // Two of its samples are in a builtin.
      caller: 0.07,
      crc: 0.08,
      other: 0.08,
      write: 0,
    });
  });

  test('leaves the profiler out of everything', () => {
    expect(folded.totalMs).toBeCloseTo(2.23, 9);
    expect(msOf).not.toHaveProperty('profiler');
    const shares = folded.stages.reduce((sum, { share }) => sum + share, 0);
    expect(shares).toBeCloseTo(1, 9);
  });

  test('names what "other" is made of, the largest first', () => {
    expect(folded.otherFunctions.map(({ name, ms }) => [name, ms])).toEqual([
      ['(program)', 0.05],
      ['listOnTimeout (node:internal/timers)', 0.03],
    ]);
    expect(foldProfile(PROFILE, 1).otherFunctions).toHaveLength(1);
  });

  test('an empty profile has no time and no NaN', () => {
    const { nodes, startTime, endTime } = PROFILE;
    const empty = foldProfile({ nodes, startTime, endTime });
    expect(empty.totalMs).toBe(0);
    expect(empty.stages.every(({ share }) => share === 0)).toBe(true);
  });
});

describe('waiting for the disk', () => {
  test('is counted while it is watched, and the functions are put back', async () => {
    const { write, writeSync } = fs;
    const waits = new FsWaits();
    waits.start();
    expect(fs.write).not.toBe(write);
    const error = await new Promise((resolve) => {
      fs.write(1_000_000, Buffer.alloc(1), (failure) => resolve(failure));
    });
    expect(error).toMatchObject({ code: 'EBADF' });
    const totals = waits.stop();
    expect(totals.find(({ call }) => call === 'write')).toMatchObject({ count: 1 });
    expect([fs.write, fs.writeSync]).toEqual([write, writeSync]);
  });
});

describe('the tables', () => {
  const [plan] = profilePlans(1000);
  if (plan === undefined) throw new Error('no plan');

  test('show time, share and nanoseconds per record', () => {
    const waits = [{ call: 'write', count: 4, totalMs: 2 }];
    const text = formatProfile(plan, { wallMs: 2, profile: foldProfile(PROFILE), waits });
    expect(text).toMatch(
      /^appendBatch\(1000\) at os, 16 in flight: 1,000 records in 2 ms, 0\.5 M\/s/,
    );
    expect(text).toMatch(/encode +1\.4 +62\.8 % +1,400\n/);
    expect(text).toMatch(/other: \(program\) 2\.2 %; listOnTimeout/);
    expect(text).toMatch(/write +4 +2\.0 +500\n/);
    expect(text).not.toMatch(/write +0\.0/);
  });

  test('show what a record takes from the heap, and where it is made', () => {
    const sites = [{ name: 'next (src/log/record.ts)', objects: 1.5, bytes: 66 }];
    const heap = { bytesPerRecord: 188, objectsPerRecord: 4.3, boxedNumbersPerRecord: 2.1, sites };
    const text = formatHeap([{ plan, heap }]);
    expect(text).toMatch(/16 in flight +188 +4\.3 +2\.1\n/);
    expect(text).toMatch(/1\.5 +66 +next \(src\/log\/record\.ts\)\n/);
  });

  test('explain every stage that they show', () => {
    const explained = STAGES.filter((stage) => profileLegend().includes(`\n  ${stage} `));
    expect(explained).toEqual(STAGES.filter((stage) => stage !== 'profiler'));
  });

  test('every plan has a name of its own, and whole calls', () => {
    const plans = profilePlans(3000);
    expect(new Set(plans.map(({ name }) => name)).size).toBe(plans.length);
    expect(plans.filter(({ records }) => records % 1000 !== 0)).toEqual([]);
  });
});
