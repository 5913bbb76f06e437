/** Files that a user names. */
import { readFile } from 'node:fs/promises';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/** @throws CommandError (exit code 3) when there is none */
export async function readTextFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) throw error;
    throw new CommandError(ExitCode.notFound, `there is no file ${file}`);
  }
}
