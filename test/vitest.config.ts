import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

import { BUILT_MODULES, builtModules } from './support/built-modules.ts';
import { LONG_FILES } from './support/long-files.ts';

const root = join(import.meta.dirname, '..');

/** Runs that are longer on purpose (more seeds, more cycles) get no limit per test but this. */
const LONG_TEST_MS = 6 * 60 * 60 * 1000;
// Many times what any test needs: a loaded machine must not look like a hang.
const TEST_MS = 300_000;

/** Folders that a command of their own runs, by `--mode`, and no other does. */
const APART = ['faults', 'rabbitmq'];
const isApart = (mode: string): boolean => APART.includes(mode);

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const paths = LONG_FILES.map((name) => join(root, name));
    const long = paths.flatMap((path) => others.filter(({ moduleId }) => moduleId === path));
    return [...new Set([...long, ...others])];
  }
}

/** Power cuts take minutes: `npm run test:crash` alone runs them. */
const isCrashRun = process.env['VARVE_CRASH_CYCLES'] !== undefined;
const isLong =
  process.env['VARVE_SEEDS'] !== undefined ||
  process.env['VARVE_QUEUE_SECONDS'] !== undefined ||
  isCrashRun;
/** Set by `.ci/run`, which has just built: the tests run on that. */
const isBuilt = process.env['VARVE_BUILT'] !== undefined;
/** Set by `.ci/run`: where the JSON report goes, beside the usual output. */
const report = process.env['VARVE_TEST_REPORT'];

export default defineConfig(({ mode }) => ({
  root,
  plugins: isBuilt ? [builtModules(root)] : [],
  test: {
    include: isApart(mode) ? [`test/${mode}/**/*.test.ts`] : ['test/**/*.test.ts'],
    exclude: [
      'dist/**',
      'node_modules/**',
      ...APART.filter((folder) => folder !== mode).map((folder) => `test/${folder}/**`),
      ...(isCrashRun ? [] : ['test/crash/power/**']),
    ],
    // Processes, not threads: the native lock addon loads once per process, and tests change
    // the working directory, send signals and fork children.
    pool: 'forks',
    // No test leaves anything behind, and a process of its own for each file would take as long as
    // the tests themselves. The few long files of the fault tests are better shared out one by one.
    isolate: mode === 'faults',
    // One more than there are cores to spare: many tests wait for processes.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    sequence: { sequencer: LongFirst },
    ...(isBuilt ? { server: { deps: { external: [BUILT_MODULES] } } } : {}),
    // What one file leaves replaced is not for the next, which may have the same modules.
    restoreMocks: true,
    testTimeout: isLong || mode === 'faults' ? LONG_TEST_MS : TEST_MS,
    hookTimeout: TEST_MS,
    reporters: report === undefined ? ['default'] : ['default', 'json'],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reportsDirectory: 'coverage' },
  },
}));
