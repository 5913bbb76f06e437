/**
 * Short programs that end in a power cut. They run on a real file system, whose disk is then
 * looked at, and on the model, which must be able to leave the same state.
 */
import { join } from 'node:path';

import { isIoError } from '../../src/core/errors.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import type { FileSystem } from '../../src/io/file-system.ts';

export interface Stage {
  readonly fileSystem: FileSystem;
  /** A durable, empty directory. */
  readonly root: string;
  /** Lets the kernel write a range of a file back, as it may at any time; nothing in the model. */
  readonly writeBack: (path: string, range: { start: number; length: number }) => void;
}

/** Content by path below the root, in hexadecimal; directories end in a slash. */
export type Snapshot = Readonly<Record<string, string>>;

const PAGE = 4096;

async function create(stage: Stage, name: string, content: string): Promise<void> {
  const file = await stage.fileSystem.open(join(stage.root, name), 'create');
  await file.write(Buffer.from(content), 0);
  await file.close();
}

async function createDurable(stage: Stage, name: string, content: string): Promise<void> {
  await create(stage, name, content);
  await sync(stage, name);
  await stage.fileSystem.syncDirectory(stage.root);
}

async function change(
  stage: Stage,
  name: string,
  writes: readonly { readonly content: string; readonly position: number }[],
): Promise<void> {
  const file = await stage.fileSystem.open(join(stage.root, name), 'write');
  for (const { content, position } of writes) await file.write(Buffer.from(content), position);
  await file.close();
}

async function sync(stage: Stage, name: string): Promise<void> {
  const file = await stage.fileSystem.open(join(stage.root, name), 'write');
  await file.datasync();
  await file.close();
}

async function truncate(stage: Stage, name: string, sizeBytes: number): Promise<void> {
  const file = await stage.fileSystem.open(join(stage.root, name), 'write');
  await file.truncate(sizeBytes);
  await file.close();
}

type Scenario = (stage: Stage) => Promise<void>;

/** Appends, overwrites and cuts, with writeback of any range in between. */
async function randomProgram(stage: Stage, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  let sizeBytes = 1 + randomBelow(random, 3 * PAGE);
  await createDurable(stage, 'a', 'A'.repeat(sizeBytes));
  const path = join(stage.root, 'a');
  const writeBackSome = (): void => {
    const start = randomBelow(random, 6) * PAGE;
    stage.writeBack(path, { start, length: PAGE * (1 + randomBelow(random, 3)) });
  };
  for (const letter of 'BCDEF') {
    const chance = random.next();
    if (chance < 0.2) {
      sizeBytes = randomBelow(random, sizeBytes + 1);
      await truncate(stage, 'a', sizeBytes);
    } else if (chance < 0.3) {
      await sync(stage, 'a');
    } else if (chance < 0.5) {
      writeBackSome();
    } else {
      const position = chance < 0.85 ? sizeBytes : randomBelow(random, sizeBytes + 1);
      const length = 1 + randomBelow(random, 3 * PAGE);
      await change(stage, 'a', [{ content: letter.repeat(length), position }]);
      sizeBytes = Math.max(sizeBytes, position + length);
    }
  }
  writeBackSome();
  if (random.next() < 0.8) await createDurable(stage, 'other', 'x'); // Commits the journal.
}

const RANDOM_PROGRAMS = 40;

const randomScenarios: readonly (readonly [string, Scenario])[] = Array.from(
  { length: RANDOM_PROGRAMS },
  (_, seed) => [`random program ${seed}`, (stage: Stage) => randomProgram(stage, seed)],
);

/** Each ends at the moment of the power cut. */
export const POWER_CUT_SCENARIOS: Readonly<Record<string, Scenario>> = {
  async 'an unsynced append'(stage) {
    await createDurable(stage, 'a', 'A'.repeat(5000));
    await change(stage, 'a', [{ content: 'B'.repeat(5000), position: 5000 }]);
  },
  async 'an unsynced overwrite'(stage) {
    await createDurable(stage, 'a', 'A'.repeat(3 * PAGE));
    await change(stage, 'a', [{ content: 'B'.repeat(PAGE), position: PAGE }]);
  },
  async 'a new file without any sync'(stage) {
    await create(stage, 'a', 'A'.repeat(5000));
  },
  async 'a new file that was synced, its directory not'(stage) {
    await create(stage, 'a', 'A'.repeat(5000));
    await sync(stage, 'a');
  },
  async 'a new file whose directory was synced, its data not'(stage) {
    await create(stage, 'a', 'A'.repeat(5000));
    await stage.fileSystem.syncDirectory(stage.root);
  },
  async 'a later range written back before an earlier one'(stage) {
    await createDurable(stage, 'a', 'A'.repeat(2 * PAGE));
    await change(stage, 'a', [
      { content: 'B'.repeat(2 * PAGE), position: 2 * PAGE },
      { content: 'C'.repeat(2 * PAGE), position: 4 * PAGE },
    ]);
    stage.writeBack(join(stage.root, 'a'), { start: 4 * PAGE, length: 2 * PAGE });
    await createDurable(stage, 'other', 'x'); // Commits the journal.
  },
  async 'a rename without a sync of the directory'(stage) {
    await createDurable(stage, 'a', 'old');
    await createDurable(stage, 'a.tmp', 'new');
    await stage.fileSystem.rename(join(stage.root, 'a.tmp'), join(stage.root, 'a'));
  },
  async 'a rename without a sync of the data'(stage) {
    await createDurable(stage, 'a', 'old');
    await create(stage, 'a.tmp', 'new');
    await stage.fileSystem.rename(join(stage.root, 'a.tmp'), join(stage.root, 'a'));
    await stage.fileSystem.syncDirectory(stage.root);
  },
  async 'an unsynced unlink'(stage) {
    await createDurable(stage, 'a', 'A');
    await stage.fileSystem.unlink(join(stage.root, 'a'));
  },
  async 'an unsynced truncate, and a write at the cut'(stage) {
    await createDurable(stage, 'a', 'A'.repeat(4 * PAGE));
    await truncate(stage, 'a', 2 * PAGE);
    await change(stage, 'a', [{ content: 'B'.repeat(100), position: 2 * PAGE }]);
  },
  async 'a truncate in a block, and a later block written back'(stage) {
    await createDurable(stage, 'a', 'A'.repeat(2 * PAGE));
    await truncate(stage, 'a', PAGE + 100);
    await change(stage, 'a', [{ content: 'B'.repeat(2 * PAGE), position: PAGE + 100 }]);
    stage.writeBack(join(stage.root, 'a'), { start: 2 * PAGE, length: PAGE });
    await createDurable(stage, 'other', 'x'); // Commits the journal.
  },
  async 'a synced truncate'(stage) {
    await createDurable(stage, 'a', 'A'.repeat(4 * PAGE));
    await truncate(stage, 'a', PAGE + 100);
    await sync(stage, 'a');
  },
  ...Object.fromEntries(randomScenarios),
};

/** What happened when a disk became full. */
export interface FullDisk {
  /** A write of 300,000 bytes that reported fewer, but no error. */
  readonly shortCount: number;
  readonly datasyncAfter: string;
  readonly nextWrite: string;
  readonly freeBytes: number;
  readonly overwriteInPlace: string;
  readonly lockAgain: string;
}

/** Fills the disk under `root` with 300,000 bytes at a time, then goes on working. */
export async function fillDisk({ fileSystem, root }: Stage): Promise<FullDisk> {
  await (await fileSystem.lockDirectory(root)).release(); // LOCK has its record from now on.
  const file = await fileSystem.open(join(root, 'a'), 'create');
  const batch = new Uint8Array(300_000).fill(1);
  let position = 0;
  let count = batch.length;
  while (count === batch.length) {
    count = await file.write(batch, position);
    position += count;
  }
  const result = {
    shortCount: count,
    datasyncAfter: await outcomeOf(file.datasync()),
    nextWrite: await outcomeOf(file.write(batch, position)),
    freeBytes: (await fileSystem.space(root)).freeBytes,
    overwriteInPlace: await outcomeOf(file.write(batch, 0)),
    lockAgain: await outcomeOf(fileSystem.lockDirectory(root).then((lock) => lock.release())),
  };
  await file.close();
  return result;
}

/** What happened when a datasync failed. */
export interface FailedSync {
  readonly isErrorSeen: boolean;
  /** A second datasync, with nothing written in between. */
  readonly retry: string;
  /** Whether reads still show the bytes that the failed datasync should have saved. */
  readonly isReadBack: boolean;
  /** What was written by then; each MiB has its own byte. */
  readonly writtenBytes: number;
}

/** Appends 1 MiB at a time, each with a datasync, until one fails; then tries again. */
export async function failSync({ fileSystem, root }: Stage): Promise<FailedSync> {
  const file = await fileSystem.open(join(root, 'a'), 'create');
  const bytes = new Uint8Array(MIB);
  let position = 0;
  let error = 'ok';
  while (error === 'ok' && position < FAILED_SYNC_BYTES_MAX) {
    bytes.fill(byteAt(position));
    await file.write(bytes, position);
    error = await outcomeOf(file.datasync());
    position += bytes.length;
  }
  const retry = await outcomeOf(file.datasync());
  const readBack = new Uint8Array(bytes.length);
  await file.read(readBack, position - bytes.length);
  await file.close();
  return {
    isErrorSeen: error !== 'ok',
    retry,
    isReadBack: Buffer.compare(readBack, bytes) === 0,
    writtenBytes: position,
  };
}

/** Whether `content`, read later, has what the failed datasync should have saved. */
export function isSaved(content: Uint8Array, { writtenBytes }: FailedSync): boolean {
  const last = content.subarray(writtenBytes - MIB, writtenBytes);
  return last.length === MIB && last.every((byte) => byte === byteAt(writtenBytes - MIB));
}

function byteAt(position: number): number {
  return 1 + Math.floor(position / MIB);
}

const MIB = 2 ** 20;
/** More than the backing store of the failing disk has. */
const FAILED_SYNC_BYTES_MAX = 32 * MIB;

async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    if (isIoError(error)) return error.details.errno;
    throw error;
  }
}
