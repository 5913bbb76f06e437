/** A copy of the repository's files in a folder of its own, to plant bugs in, build and test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { text } from 'node:stream/consumers';

import type { NamedTest, PlantedBug } from './planted-bug.ts';
import { outcomeIn, type TestOutcome, type VitestReport } from './verdict.ts';

const NOT_COPIED = new Set(['.git', 'node_modules', 'dist', 'coverage', join('segments', 'local')]);
/** Of one test, and of all of a run: a bug that hangs one is not waited for. */
const TEST_MS_MAX = 30_000;
const RUN_MS_MAX = 180_000;

/** A copy of `source` at `root`; the installed packages are shared. */
export function plantTree(source: string, root: string): PlantedTree {
  mkdirSync(root, { recursive: true });
  cpSync(source, root, {
    recursive: true,
    filter: (path) => !NOT_COPIED.has(relative(source, path)),
  });
  symlinkSync(join(source, 'node_modules'), join(root, 'node_modules'), 'dir');
  return new PlantedTree(root);
}

export class PlantedTree {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Applies the patch; null, or why it does not apply. */
  async apply(bug: Pick<PlantedBug, 'path' | 'files'>): Promise<string | null> {
    const before = this.#contents(bug.files);
    const { status, output } = await this.#run('git', ['apply', '--whitespace=nowarn', bug.path]);
    if (status !== 0) return firstLineOf(output);
    // Inside of another repository `git apply` passes over files in silence.
    return this.#contents(bug.files) === before ? 'it changes nothing' : null;
  }

  /** Builds; null, or the compiler's first complaint. */
  async build(): Promise<string | null> {
    const { status, output } = await this.#run(process.execPath, ['tools/dev/build.mjs']);
    return status === 0 ? null : firstLineOf(output);
  }

  /** Runs exactly these tests, and says how each went. */
  async test(tests: readonly NamedTest[]): Promise<readonly TestOutcome[]> {
    const report = join(this.root, 'planted-report.json');
    rmSync(report, { force: true });
    const names = tests.map(({ name }) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
    await this.#run(process.execPath, [
      join('node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--config=test/vitest.config.ts',
      '--maxWorkers=1',
      `--testTimeout=${TEST_MS_MAX}`,
      '--reporter=json',
      `--outputFile=${report}`,
      `--testNamePattern=^(?:${[...new Set(names)].join('|')})$`,
      ...new Set(tests.map(({ file }) => file)),
    ]);
    if (!existsSync(report)) return tests.map(() => ({ status: 'hung', failures: [] }));
    const parsed = JSON.parse(readFileSync(report, 'utf8')) as VitestReport;
    return tests.map((test) => outcomeIn(parsed, test));
  }

  #contents(files: readonly string[]): string {
    return files.map((file) => readFileSync(join(this.root, file), 'utf8')).join('\0');
  }

  async #run(command: string, args: readonly string[]) {
    const { SEED: _seed, VARVE_SEEDS: _seeds, VARVE_TEST_REPORT: _report, ...env } = process.env;
    const child = spawn(command, args, {
      cwd: this.root,
      env: { ...env, GIT_CEILING_DIRECTORIES: dirname(this.root) },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: RUN_MS_MAX,
      killSignal: 'SIGKILL',
    });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close') as Promise<[number | null]>,
    ]);
    return { status, output: stderr + stdout };
  }
}

function firstLineOf(output: string): string {
  return output.trim().split('\n')[0] ?? '';
}
