/** Tells disks apart by what is on them, so that no state is examined twice. */
import { hash } from 'node:crypto';

import { RESERVE_FILE } from '../../../src/format/file-names.ts';
import type { GrowableBytes } from '../../../src/io/growable-bytes.ts';
import type { MemoryDirectoryNode } from '../../../src/io/memory-tree.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import type { FileSurvival } from '../file-image.ts';

const NOTHING_SURVIVES: FileSurvival = {
  keepsTruncate: () => false,
  keepsSector: () => false,
  grownSize: (_change, keptEnd) => keptEnd,
};

/** Equal for equal names and contents, and equal changes that a power cut could still undo. */
export function imageKey(fileSystem: FaultyFileSystem): string {
  let text = '';
  addDirectory(fileSystem.disk.tree.root);
  for (const change of fileSystem.unsynced()) {
    text += `${change.kind} ${change.path}`;
    if ('sectors' in change) text += `${change.position} ${change.length}`;
  }
  return hash('sha1', text, 'base64');

  function addDirectory(directory: MemoryDirectoryNode): void {
    for (const [name, node] of [...directory.entries].toSorted(byName)) {
      text += `\n${name} ${node.kind} `;
      if (node.kind === 'directory') addDirectory(node);
      else if (name === RESERVE_FILE) {
        text += node.bytes.sizeBytes; // Nobody reads what is in it, and it is large.
      } else {
        text += digestOf(node.bytes);
        // The disk may hold other bytes, after a failed sync, and more, behind the file's end.
        const file = fileSystem.disk.files.get(node.id);
        if (file === undefined) continue;
        const { bytes, sizeBytes } = file.contentAfter(NOTHING_SURVIVES);
        text += `${sizeBytes} ${digestOf(bytes)}`;
      }
    }
    text += '\n.';
  }
}

/** Images share what neither of them changed: it is digested once. */
const digests = new WeakMap<ArrayBufferLike, string>();

function digestOf(bytes: GrowableBytes): string {
  const content = bytes.frozen();
  const known = digests.get(content.buffer);
  if (known !== undefined) return known;
  const digest = hash('sha1', content, 'base64');
  digests.set(content.buffer, digest);
  return digest;
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

/** Paths of all files and directories below `/`. */
export function pathsOn(fileSystem: FaultyFileSystem): string[] {
  const paths: string[] = [];
  addDirectory('', fileSystem.disk.tree.root);
  return paths;

  function addDirectory(path: string, directory: MemoryDirectoryNode): void {
    for (const [name, node] of directory.entries) {
      paths.push(`${path}/${name}`);
      if (node.kind === 'directory') addDirectory(`${path}/${name}`, node);
    }
  }
}
