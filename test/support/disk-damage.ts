/** Damage as disks and operators do it: to what is on the disk, and so to what is read. */
import type { FaultyFileSystem } from './faulty-file-system.ts';

/** Flips one bit (0..7) of the byte at `position`. */
export function flipBit(
  fileSystem: FaultyFileSystem,
  path: string,
  at: { readonly position: number; readonly bit?: number },
): void {
  damage(fileSystem, path, (bytes) => {
    bytes[at.position] = (bytes[at.position] ?? 0) ^ (1 << (at.bit ?? 0));
    return bytes;
  });
}

/** Replaces sector `index` of the file by zeros; the size stays. */
export function zeroSector(fileSystem: FaultyFileSystem, path: string, index: number): void {
  const { sectorBytes } = fileSystem.disk.options;
  damage(fileSystem, path, (bytes) =>
    bytes.fill(0, index * sectorBytes, (index + 1) * sectorBytes),
  );
}

/** Puts the bytes of sector `from` into sector `to`: a misdirected or a stale write. */
export function copySector(
  fileSystem: FaultyFileSystem,
  path: string,
  sectors: { readonly from: number; readonly to: number },
): void {
  const { sectorBytes } = fileSystem.disk.options;
  const start = sectors.from * sectorBytes;
  damage(fileSystem, path, (bytes) =>
    bytes.copyWithin(sectors.to * sectorBytes, start, start + sectorBytes),
  );
}

/** Cuts the file to `sizeBytes`. */
export function cut(fileSystem: FaultyFileSystem, path: string, sizeBytes: number): void {
  damage(fileSystem, path, (bytes) => bytes.subarray(0, sizeBytes));
}

/** Gives each of two files the other's content. */
export function swapFiles(fileSystem: FaultyFileSystem, one: string, other: string): void {
  const bytes = contentOf(fileSystem, one);
  const otherBytes = contentOf(fileSystem, other);
  damage(fileSystem, one, () => otherBytes);
  damage(fileSystem, other, () => bytes);
}

/** The whole content of a file, as reads show it; no numbered call. */
export function contentOf(fileSystem: FaultyFileSystem, path: string): Uint8Array {
  const node = fileSystem.disk.tree.findFile({ operation: 'damage', path });
  return node.bytes.slice(0, node.bytes.sizeBytes);
}

/** Replaces a file's content by what `change` makes of it, in the cache and on the disk. */
export function damage(
  fileSystem: FaultyFileSystem,
  path: string,
  change: (bytes: Uint8Array) => Uint8Array,
): void {
  const { disk } = fileSystem;
  const at = { operation: 'damage', path, position: 0 };
  const node = disk.tree.findFile(at);
  const file = disk.file(node);
  const bytes = change(contentOf(fileSystem, path));
  disk.tree.truncate(node, 0, at);
  if (bytes.length > 0) disk.tree.write(node, bytes, at);
  file.settle();
}
