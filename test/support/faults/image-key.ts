/** Tells disks apart by what is on them, so that no state is examined twice. */
import { createHash } from 'node:crypto';
import { RESERVE_FILE } from '../../../src/format/file-names.ts';
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
  const hash = createHash('sha1');
  addDirectory(fileSystem.disk.tree.root);
  for (const change of fileSystem.unsynced()) {
    hash.update(`${change.kind} ${change.path}`);
    if ('sectors' in change) hash.update(`${change.position} ${change.length}`);
  }
  return hash.digest('base64');

  function addDirectory(directory: MemoryDirectoryNode): void {
    for (const [name, node] of [...directory.entries].toSorted(byName)) {
      hash.update(`\n${name} ${node.kind} `);
      if (node.kind === 'directory') addDirectory(node);
      else if (name === RESERVE_FILE) {
        hash.update(`${node.bytes.sizeBytes}`); // Nobody reads what is in it, and it is large.
      } else {
        hash.update(node.bytes.slice(0, node.bytes.sizeBytes));
        // The disk may hold other bytes, after a failed sync, and more, behind the file's end.
        const file = fileSystem.disk.files.get(node.id);
        if (file === undefined) continue;
        const { bytes, sizeBytes } = file.contentAfter(NOTHING_SURVIVES);
        hash.update(`${sizeBytes} `).update(bytes.slice(0, bytes.sizeBytes));
      }
    }
    hash.update('\n.');
  }
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
