import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { checkNumbers, parsePlantedBug, plantedBugsIn } from '../../support/planted/planted-bug.ts';

const DIFF =
  'diff --git a/src/a.ts b/src/a.ts\n--- a/src/a.ts\n+++ b/src/a.ts\n@@ -1 +1 @@\n-a\n+b\n';
const HEADER = `Bug: the sync is
  skipped
Test: test/unit/a.test.ts :: a log keeps it
Why it matters: it is lost

`;

const parse = (text: string, fileName = '07-no-sync.patch') =>
  parsePlantedBug(`/patches/${fileName}`, fileName, text);

describe('the header of a patch', () => {
  test('says what is broken, which test notices, and why', () => {
    expect(parse(HEADER + DIFF)).toEqual({
      number: '07',
      name: 'no-sync',
      path: '/patches/07-no-sync.patch',
      bug: 'the sync is skipped',
      test: { file: 'test/unit/a.test.ts', name: 'a log keeps it' },
      why: 'it is lost',
      files: ['src/a.ts'],
    });
  });

  test.each([
    ['no Bug', HEADER.replace('Bug:', 'Error:') + DIFF, '"Bug:"'],
    ['an empty Bug', HEADER.replace('the sync is\n  skipped', '') + DIFF, '"Bug:"'],
    ['no Test', HEADER.replace('Test:', 'Tests:') + DIFF, '"Test:"'],
    ['no reason', HEADER.replace('Why it matters:', 'Why:') + DIFF, '"Why it matters:"'],
    ['a test without a name', HEADER.replace(' :: a log keeps it', '') + DIFF, 'full name'],
    ['a test in no test file', HEADER.replace('a.test.ts', 'a.ts') + DIFF, 'full name'],
    ['no diff', HEADER, 'diff --git'],
    ['the header behind the diff', DIFF + HEADER, '"Bug:"'],
  ])('is refused with %s', (_name, text, complaint) => {
    expect(() => parse(text)).toThrow(complaint);
  });

  test.each(['7-no-sync.patch', 'no-sync.patch', '07.patch', '07-No_Sync.patch'])(
    'is refused in a file named %s',
    (fileName) => {
      expect(() => parse(HEADER + DIFF, fileName)).toThrow('01-what-it-is.patch');
    },
  );

  test('has a number of its own', () => {
    const one = parse(HEADER + DIFF, '07-one.patch');
    const other = parse(HEADER + DIFF, '07-other.patch');
    expect(() => checkNumbers([one, other])).toThrow('07 is the number of one and of other');
    expect(() => checkNumbers([one, { ...other, number: '08' }])).not.toThrow();
  });
});

/** What a bug may be planted in: the engine, and checkers that themselves are tested. Never a test. */
const PLANTED_IN = /^(?:src|test\/support\/queue-check)\//;

test('every planted bug of this repository has a header and a number, and applies to the engine or a checker', () => {
  const root = join(import.meta.dirname, '..', '..', '..');
  const bugs = plantedBugsIn(join(root, 'test', 'planted'));
  expect(bugs.length).toBeGreaterThanOrEqual(20);
  const outside = bugs.filter(({ files }) => !files.every((file) => PLANTED_IN.test(file)));
  expect(outside.map(({ path }) => path)).toEqual([]);
  expect(bugs.filter(({ files }) => files.length === 0)).toEqual([]);
  const stale = bugs.filter(
    ({ path }) => spawnSync('git', ['apply', '--check', path], { cwd: root }).status !== 0,
  );
  expect(
    stale.map(({ path }) => path),
    'these no longer apply',
  ).toEqual([]);
});
