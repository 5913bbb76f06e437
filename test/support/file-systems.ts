/** Every implementation of the seam, each with a fresh directory, for suites that run on all. */
import { SeededRandom } from '../../src/core/random.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { onTestFinished } from 'vitest';

export interface TestedFileSystem {
  readonly fileSystem: FileSystem;
  /** An empty directory. */
  readonly root: string;
}

const MEMORY_ROOT = '/test/root';

async function inMemory(fileSystem: FileSystem): Promise<TestedFileSystem> {
  await fileSystem.makeDirectory(MEMORY_ROOT);
  return { fileSystem, root: MEMORY_ROOT };
}

/** Completes waiting calls, in a seeded order, until the test ends. */
function completeInBackground(fileSystem: FaultyFileSystem): void {
  let isRunning = true;
  onTestFinished(() => {
    isRunning = false;
  });
  const turn = (): void => {
    fileSystem.completeOne();
    if (isRunning) setImmediate(turn);
  };
  turn();
}

/** By name; call the function inside a test. */
export const FILE_SYSTEMS: Readonly<Record<string, () => Promise<TestedFileSystem>>> = {
  node: async () => ({ fileSystem: nodeFileSystem, root: await temporaryDirectory() }),
  memory: () => inMemory(new MemoryFileSystem()),
  'faulty, without faults': () => inMemory(new FaultyFileSystem({ random: new SeededRandom(1) })),
  'faulty, reordered': () => {
    const random = new SeededRandom(2);
    const fileSystem = new FaultyFileSystem({ random, schedule: { random, slow: ['datasync'] } });
    completeInBackground(fileSystem);
    return inMemory(fileSystem);
  },
};
