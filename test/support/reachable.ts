/** Whether the model of a disk could have left what a real disk was found to hold. */
import type { FileImage, FileSurvival, UnsyncedChange } from './file-image.ts';

/** Of a truncate that was lost, all later ones are lost: so many survive, the first ones. */
function survivalToward(content: Uint8Array, file: FileImage, truncateCount: number): FileSurvival {
  let truncatesLeft = truncateCount;
  const { sectorBytes } = file;
  return {
    keepsTruncate() {
      truncatesLeft -= 1;
      return truncatesLeft >= 0;
    },
    // The last kept version of a sector is what is there: keep each that looks right.
    keepsSector(change, index) {
      const start = change.sectorsAt + index * sectorBytes;
      const end = Math.min(start + sectorBytes, content.length);
      if (start >= end) return true; // Past the end nothing was seen.
      const found = content.subarray(start, end);
      const at = index * sectorBytes;
      return Buffer.compare(change.sectors.subarray(at, at + end - start), found) === 0;
    },
    grownSize: (change, keptEnd) => sizeToward(content.length, change, { keptEnd, sectorBytes }),
  };
}

function sizeToward(
  sizeBytes: number,
  change: UnsyncedChange,
  at: { readonly keptEnd: number; readonly sectorBytes: number },
): number {
  const end = change.position + change.length;
  if (end <= sizeBytes) return end;
  if (change.position >= sizeBytes) return 0;
  return sizeBytes % at.sectorBytes === 0 || sizeBytes === at.keptEnd ? sizeBytes : 0;
}

/** Whether a power cut now could leave `content` as the file's. */
export function isReachable(file: FileImage, content: Uint8Array): boolean {
  const truncates = file.changes.filter(({ kind }) => kind === 'truncate');
  for (let count = 0; count <= truncates.length; count += 1) {
    const survivors = file.survivors(survivalToward(content, file, count));
    const bytes = survivors.slice(0, survivors.sizeBytes);
    if (Buffer.compare(bytes, content) === 0) return true;
  }
  return false;
}
