/** Topology documents, from files and stdin. */
import { text } from 'node:stream/consumers';
import { checkTopologyDocument, type TopologyDocument } from '../src/routing/topology-document.ts';
import type { CommandContext } from './command.ts';
import { UsageError } from './command-error.ts';
import { readTextFile } from './text-file.ts';

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
  const found = parsed(file === '-' ? await text(stdin) : await readTextFile(file), name);
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
