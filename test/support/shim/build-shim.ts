/** Compiles `power-shim.c` for the processes of one test run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { packageRoot } from '../../../tools/package-root.ts';

const SOURCE = join(packageRoot(), 'test', 'support', 'shim', 'power-shim.c');

/** Null when the shim can be compiled and loaded here. */
export function whyNoShim(): string | null {
  if (process.platform !== 'linux') return 'not Linux';
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'no gcc';
  }
}

export interface BuiltShim {
  /** For LD_PRELOAD. */
  readonly library: string;
  remove(): void;
}

/** @throws Error with the compiler's complaints */
export function buildShim(): BuiltShim {
  const directory = mkdtempSync(join(tmpdir(), 'varve-shim-'));
  const library = join(directory, 'power-shim.so');
  const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror'];
  execFileSync('gcc', [...flags, '-o', library, SOURCE, '-ldl'], { stdio: 'pipe' });
  return { library, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
