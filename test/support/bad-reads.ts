/** Reads of some files that give other bytes than are there, or fewer: what no kernel tells of. */
import type { FileSystem } from '../../src/io/file-system.ts';

/** What becomes of the bytes that a read found at a position. @returns how many of them it tells of */
export type BadRead = (found: Uint8Array, position: number) => number;

/** Spoils the reads of files that are opened from now on and whose path ends so. @returns a function that ends it */
export function spoilReads(fileSystem: FileSystem, pathEnd: string, bad: BadRead): () => void {
  const open = fileSystem.open.bind(fileSystem);
  let isOver = false;
  fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    if (isOver || !path.endsWith(pathEnd)) return file;
    const read = file.read.bind(file);
    const readSync = file.readSync.bind(file);
    const spoil = (into: Uint8Array, position: number, count: number) =>
      isOver ? count : bad(into.subarray(0, count), position);
    file.read = async (into, position) => spoil(into, position, await read(into, position));
    file.readSync = (into, position) => spoil(into, position, readSync(into, position));
    return file;
  };
  return () => {
    isOver = true;
  };
}
