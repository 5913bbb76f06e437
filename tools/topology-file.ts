/** Topology documents, from files and stdin. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { checkTopologyDocument, type TopologyDocument } from '../src/routing/topology-document.ts';
import type { CommandContext } from './command.ts';
import { CommandError, UsageError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';

/**
 * @param file        `-` for stdin
 * @param isElsewhere whether an exchange is there that the document names and does not have
 * @throws UsageError for what is no topology, with the place; CommandError (exit code 3)
 */
export async function readTopology(
  { stdin }: CommandContext,
  file: string,
): Promise<(isElsewhere: (exchange: string) => boolean) => TopologyDocument> {
  const name = file === '-' ? 'stdin' : file;
  const found = parsed(file === '-' ? await text(stdin) : await readText(file), name);
  return (isElsewhere) => {
    try {
      return checkTopologyDocument(found, isElsewhere);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new UsageError(`${name}: ${error.message}`, SHOWN_BY);
    }
  };
}

const SHOWN_BY = 'varve topology export prints such a document';

function parsed(content: string, name: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new UsageError(`${name} is not JSON`, SHOWN_BY);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) throw error;
    throw new CommandError(ExitCode.notFound, `there is no file ${file}`);
  }
}
