/** Layers, seams, sizes and lists that a reviewer should not have to remember. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, expect, test } from 'vitest';

import { VERB_GROUPS } from '../tools/verb-groups.ts';
import { VERBS } from '../tools/verbs.ts';
import { featureComplaints } from './support/feature-table.ts';
import { LONG_FILES } from './support/long-files.ts';
import { complaintsAbout } from './support/tidy-rules.ts';

const root = join(import.meta.dirname, '..');

/** Each is run by a script of package.json, or holds helpers. */
const TEST_FOLDERS = [
  'unit',
  'property',
  'golden',
  'integration',
  'regression',
  'simulation',
  'crash',
  'types',
  'faults',
  'planted',
  'soak',
  'rabbitmq',
  'support',
];

/** Groups of verbs of the command line that are about exchanges. */
const ROUTING_GROUPS = ['exchanges', 'bindings', 'topology'];

/** The reliability failures that have a regression test each: `f01-what-it-is.test.ts`. */
const REGRESSIONS = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
  28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 39,
].map((number) => `f${String(number).padStart(2, '0')}-`);

describe('the sources', () => {
  test('src, tools and bench keep to their layers, seams, sizes and exports', () => {
    const files = ['src', 'tools', 'bench'].flatMap(filesUnder).filter((f) => f.endsWith('.ts'));
    const complaints = files.flatMap((file) => complaintsAbout(file, text(file)));
    expect(complaints).toEqual([]);
    expect(files).toContain('src/index.ts');
  });

  test('no text file points outside the repository', () => {
    const outside = ['..', 'shared'].join('/');
    expect(filesUnder('.').filter((file) => text(file).includes(outside))).toEqual([]);
  });

  test('every folder of test is one that a script runs', () => {
    const folders = readdirSync(join(root, 'test'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    expect(TEST_FOLDERS).toEqual(expect.arrayContaining(folders));
  });
});

test('the files that are started first are there, each once', () => {
  expect(LONG_FILES.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(new Set(LONG_FILES).size).toBe(LONG_FILES.length);
});

describe('the regression tests', () => {
  const present = filesUnder('test/regression')
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => file.replace('test/regression/', ''));

  test.each(REGRESSIONS)('%s has a file with a test in it', (prefix) => {
    const own = present.filter((file) => file.startsWith(prefix));
    expect(own, `test/regression/${prefix}<what>.test.ts`).toHaveLength(1);
    expect(text(`test/regression/${own[0] ?? ''}`)).toMatch(/^\s*(?:test|it)\b[\w.]*\(/m);
  });

  test('none is missing from the list', () => {
    const listed = (file: string): boolean => REGRESSIONS.some((prefix) => file.startsWith(prefix));
    expect(present.filter((file) => /^f\d+-/.test(file) && !listed(file))).toEqual([]);
  });
});

describe('the table of features', () => {
  const table = text('docs/features.md');
  const sourceOf = (file: string): string | null =>
    existsSync(join(root, file)) ? text(file) : null;

  test('has a row for each, with a test for what is built', () => {
    expect(featureComplaints(table, sourceOf)).toEqual([]);
  });

  test('names every verb of the command line that is about exchanges', () => {
    const rows = table.split('\n');
    const isNamed = (words: string): boolean => rows.some((row) => row.includes(`varve ${words}`));
    const isListed = (group: string, name: string): boolean =>
      rows.some((row) => row.includes(`\`varve ${group}\` (`) && row.includes(`\`${name}\``));
    const alone = ['publish', 'route', 'simulate'];
    expect(VERBS.map(({ name }) => name)).toEqual(expect.arrayContaining(alone));
    expect(alone.filter((name) => !isNamed(name))).toEqual([]);
    const groups = VERB_GROUPS.filter(({ name }) => ROUTING_GROUPS.includes(name));
    expect(groups).toHaveLength(ROUTING_GROUPS.length);
    for (const { name: group, verbs } of groups) {
      const missing = verbs.filter(
        ({ name }) => !isNamed(`${group} ${name}`) && !isListed(group, name),
      );
      expect(missing.map(({ name }) => `${group} ${name}`)).toEqual([]);
    }
  });

  test.each([
    ['a test that is not there', 'gives offsets from 0', 'gives offsets from 1'],
    ['a file that is not there', 'log-retention.test.ts', 'log-retentive.test.ts'],
    ['a status of its own', '| not built |', '| soon |'],
    ['a row that was lost', /^\| LC9 .*\n/m, ''],
    ['a row that stands there twice', /^\| LC9 .*\n/m, '$&$&'],
    [
      'a row with a cell too many',
      /^\| LC9 .*\n/m,
      '| LC9 | Preallocation | not built | no | no |',
    ],
    ['something built without a test', /^\| LC9 .*\n/m, '| LC9 | Preallocation | built | yes |\n'],
  ])('complains about %s', (_name, found, put) => {
    const changed = table.replace(found, put);
    expect(changed).not.toBe(table);
    expect(featureComplaints(changed, sourceOf)).not.toEqual([]);
  });
});

describe('the guard itself', () => {
  test.each([
    ['a lower layer imports a higher one', 'src/core/a.ts', "import { b } from '../log/b.ts';"],
    ['siblings import each other', 'src/queue/a.ts', "import { b } from '../group/b.ts';"],
    ['routing imports a sibling', 'src/routing/a.ts', "import { b } from '../queue/b.ts';"],
    [
      'a transaction imports what takes part in it',
      'src/transaction/a.ts',
      "import { b } from '../queue/b.ts';",
    ],
    ['a sibling imports routing', 'src/group/a.ts', "import { b } from '../routing/b.ts';"],
    ['a type import counts', 'src/io/a.ts', "import type { B } from '../format/b.ts';"],
    ['a re-export counts', 'src/io/a.ts', "export { b } from '../format/b.ts';"],
    ['an import over many lines', 'src/io/a.ts', "import {\n  b,\n} from '../format/b.ts';"],
    ['an import for effect', 'src/format/a.ts', "import '../io/b.ts';"],
    ['a dynamic import', 'src/core/a.ts', "await import('../log/b.ts');"],
    ['a dynamic import on two lines', 'src/core/a.ts', "await import(\n  '../log/b.ts'\n);"],
    ['a dynamic import in backticks', 'src/core/a.ts', 'await import(`../log/b.ts`);'],
    ['a computed dynamic import', 'src/log/a.ts', 'await import(name);'],
    ['a template as a dynamic import', 'src/log/a.ts', 'await import(`../${name}.ts`);'],
    ['a sum as a dynamic import', 'src/log/a.ts', "await import('../' + name);"],
    ['an unknown layer', 'src/utils/a.ts', 'export const a = 1;'],
    ['an import of an unknown layer', 'src/log/a.ts', "import { b } from '../utils/b.ts';"],
    ['a file directly in src', 'src/a.ts', "import { b } from './core/b.ts';"],
    ['a layer imports the public API', 'src/log/a.ts', "import { b } from '../index.ts';"],
    ['src imports tools', 'src/store/a.ts', "import { b } from '../../tools/b.ts';"],
    ['src imports bench', 'src/log/a.ts', "import { b } from '../../bench/b.ts';"],
    ['tools import test', 'tools/a.ts', "import { b } from '../test/support/b.ts';"],
    ['bench imports test', 'bench/jobs/a.ts', "import { b } from '../../test/support/b.ts';"],
    ['bench imports a verb', 'bench/a.ts', "import { b } from '../tools/commands/b.ts';"],
    ['bench imports the program', 'bench/a.ts', "import { run } from '../tools/program.ts';"],
    ['a job with a computed import', 'bench/jobs/a.ts', 'await import(name);'],
    ['node:fs', 'src/log/a.ts', "import { openSync } from 'node:fs';"],
    ['node:fs/promises', 'src/log/a.ts', "import { open } from 'node:fs/promises';"],
    ['fs by its old name', 'src/log/a.ts', "import { openSync } from 'fs';"],
    ['a dynamic node:fs', 'src/log/a.ts', "await import('node:fs');"],
    ['node:net', 'src/log/a.ts', "import { connect } from 'node:net';"],
    ['node:crypto', 'src/core/clock.ts', "import { randomBytes } from 'node:crypto';"],
    ['node:timers/promises', 'src/log/a.ts', "import { setTimeout } from 'node:timers/promises';"],
    ['require', 'src/log/a.ts', "import { createRequire } from 'node:module';"],
    ['Date.now', 'src/log/a.ts', 'const a = Date.now();'],
    ['Date.now taken by name', 'src/log/a.ts', "const now = Date['now'];"],
    ['the present date', 'src/log/a.ts', 'const a = new Date();'],
    ['performance.now', 'src/log/a.ts', 'const a = performance.now();'],
    ['process.hrtime', 'src/log/a.ts', 'const a = process.hrtime.bigint();'],
    ['setTimeout', 'src/log/a.ts', 'setTimeout(run, 10);'],
    ['setTimeout through globalThis', 'src/log/a.ts', 'globalThis.setTimeout(run, 10);'],
    ['setImmediate in a random source', 'src/core/random.ts', 'setImmediate(run);'],
    ['AbortSignal.timeout', 'src/log/a.ts', 'AbortSignal.timeout(10);'],
    ['Math.random', 'src/core/clock.ts', 'const a = Math.random();'],
    ['Web Crypto', 'src/log/a.ts', 'const a = crypto.randomUUID();'],
    ['code after a comment', 'src/log/a.ts', '/* now */ const a = Date.now();'],
    ['code before a comment', 'src/log/a.ts', 'const a = Date.now(); // now'],
    ['a generator method', 'src/log/a.ts', '  *[Symbol.iterator]() { yield Date.now(); }'],
    ['a default export', 'tools/a.ts', 'export default 1;'],
    ['a default export by name', 'src/log/a.ts', 'export { a as default };'],
    ['export *', 'src/log/a.ts', "export * from './b.ts';"],
    ['export type *', 'src/log/a.ts', "export type * from './b.ts';"],
    ['code in the public API', 'src/index.ts', "export { a } from './core/a.ts';\nrun();"],
    ['a long file', 'tools/a.ts', 'a();\n'.repeat(401)],
  ])('complains about %s', (_name, path, source) => {
    expect(complaintsAbout(path, source)).not.toEqual([]);
  });

  test.each([
    ['a lower layer', 'src/store/a.ts', "import { b } from '../core/b.ts';"],
    ['the own layer', 'src/log/a.ts', "import { b } from './b.ts';\nawait import('./c.ts');"],
    ['node:fs inside io', 'src/io/a.ts', "import { openSync } from 'node:fs';\nsetTimeout(a, 1);"],
    [
      'the clock',
      'src/core/clock.ts',
      'const a = Date.now();\nsetTimeout(run, performance.now());',
    ],
    ['the random source', 'src/core/random.ts', "import { randomBytes } from 'node:crypto';"],
    ['timers of the clock', 'src/log/a.ts', 'this.#clock.setTimeout(run, 10);'],
    ['nextTick and microtasks', 'src/log/a.ts', 'process.nextTick(a);\nqueueMicrotask(a);'],
    ['a date from a number', 'src/log/a.ts', 'const a = new Date(appendTimeMs);'],
    [
      'comments',
      'src/log/a.ts',
      '/**\n * Like Date.now().\n */\n// setTimeout\nrun(); // Date.now',
    ],
    ['named re-exports', 'src/index.ts', "/** API. */\nexport {\n  a,\n} from './core/a.ts';\n"],
    ['types in the public API', 'src/index.ts', "export type { A } from './core/a.ts';"],
    ['tools that use src and the disk', 'tools/a.ts', "import '../src/index.ts';\nDate.now();"],
    ['a verb that uses bench', 'tools/commands/a.ts', "import '../../bench/a.ts';"],
    [
      'bench that uses src and helpers of tools',
      'bench/report/a.ts',
      "import '../../src/index.ts';\nimport '../../tools/units.ts';\nDate.now();",
    ],
    ['400 lines', 'src/log/a.ts', 'a();\n'.repeat(400)],
  ])('is content with %s', (_name, path, source) => {
    expect(complaintsAbout(path, source)).toEqual([]);
  });
});

/** Paths relative to the repository of the files that belong to it, with forward slashes. */
function filesUnder(folder: string): string[] {
  const skipped = new Set(['dist', 'coverage', '.git', 'segments/local']);
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (skipped.has(path) || entry.name === 'node_modules') return [];
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

function text(file: string): string {
  return readFileSync(join(root, file.replaceAll('/', sep)), 'utf8');
}
