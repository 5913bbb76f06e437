/** Compiles `bench/limit/limit.c` and runs it, for tests. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { packageRoot } from '../../tools/package-root.ts';

const SOURCE = join(packageRoot(), 'bench', 'limit', 'limit.c');
const FLAGS = ['-O3', '-Wall', '-Wextra', '-Werror'];

/** Which CRC-32 the program has: the job of the bench takes zlib's where it is installed. */
export const CRC_FLAGS = { zlib: '-lz', own: '-DOWN_CRC' } as const;

/** Null when C can be compiled here. */
export function whyNoCompiler(): string | null {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'no gcc';
  }
}

/** Whether zlib's header and library are installed for C. */
export function hasZlib(): boolean {
  const input = '#include <zlib.h>\nint main(void) { return (int)crc32(0, 0, 0); }\n';
  const flags = ['-x', 'c', '-', '-o', '/dev/null', CRC_FLAGS.zlib];
  return spawnSync('gcc', flags, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

/** @returns the program. @throws Error with the compiler's complaints */
export function buildLimit(directory: string, crc: keyof typeof CRC_FLAGS): string {
  const program = join(directory, `limit-${crc}`);
  execFileSync('gcc', [...FLAGS, '-o', program, SOURCE, CRC_FLAGS[crc]], { stdio: 'pipe' });
  return program;
}

export interface LimitRun {
  readonly status: number | null;
  readonly stderr: string;
  readonly answers: readonly Readonly<Record<string, unknown>>[];
}

/** Gives the program its lines, and takes all of its answers. */
export function runLimit(program: string, file: string, lines: readonly string[]): LimitRun {
  const input = lines.map((line) => `${line}\n`).join('');
  const { status, stdout, stderr } = spawnSync(program, [file], { input, encoding: 'utf8' });
  const answers = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { status, stderr, answers };
}
