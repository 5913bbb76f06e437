/**
 * The faulty twin of the file system: the seam's contract, and all that a disk and a kernel may
 * do to a program within it.
 *
 * Every method call (the `Sync` ones too; not a second `close` or `release`) has a number, from 1.
 * A crash at a call: from then on promises never settle and `Sync` calls throw `CrashError`; the
 * state is frozen. `crashImage` is a legal disk after a power cut, `killImage` what the kernel
 * holds after SIGKILL; both are new file systems and may be asked for any number of times.
 *
 * Deterministic: the same seeds and the same program give the same calls, images and errors.
 */
import { join, resolve } from 'node:path';

import { IoError } from '../../src/core/errors.ts';
import { randomBelow } from '../../src/core/random.ts';
import type { Random } from '../../src/core/random.ts';
import type {
  DirectoryLock,
  File,
  FileStat,
  FileSystem,
  LockOptions,
  LockState,
  OpenMode,
  Space,
} from '../../src/io/file-system.ts';
import { LOCK_FILE_NAME } from '../../src/io/lock-record.ts';
import { memoryStat } from '../../src/io/memory-file-system.ts';
import { MemoryLock, memoryLockState } from '../../src/io/memory-lock.ts';
import type { MemoryLocks } from '../../src/io/memory-lock.ts';
import { CallGate } from './call-gate.ts';
import type { CrashPoint, OnPoint, Schedule } from './call-gate.ts';
import type { CrashChoice } from './crash-choice.ts';
import { DiskImage, diskOptionsOf } from './disk-image.ts';
import type { DiskOptions } from './disk-image.ts';
import { drive, runUntilIdle } from './drive.ts';
import type { DriveOptions, Outcome } from './drive.ts';
import { FaultPlan } from './fault-plan.ts';
import type { Call, FaultRule } from './fault-plan.ts';
import { FaultyFile } from './faulty-file.ts';
import type { FileImage, UnsyncedChange } from './file-image.ts';
import type { NameChange } from './name-image.ts';

export interface FaultyFileSystemOptions extends Partial<DiskOptions> {
  /** Decides crash images and the order of `list`. */
  readonly random: Random;
  readonly plan?: readonly FaultRule[];
  readonly crashAt?: CrashPoint | null;
  /** Null (default): effects happen inside the call, completions in calling order. */
  readonly schedule?: Schedule | null;
  /** Told of every call, for a hash that proves two runs the same. */
  readonly trace?: ((number: number, call: Call) => void) | null;
  /** Told of every point at which a crash may stop the machine, to ask for `stopped` there. */
  readonly onPoint?: OnPoint | null;
}

/** What the next life changes; by default no faults, no crash, the rest as before. */
export type NextOptions = Partial<Omit<FaultyFileSystemOptions, keyof DiskOptions>>;

/** What a SIGKILL leaves of the changes that were in flight: `random` (default), none or all. */
export interface KillChoice {
  readonly inFlight?: 'none' | 'all' | 'random';
  readonly random?: Random;
}

export class FaultyFileSystem implements FileSystem {
  /** Breaches of the seam's contract by the program: two writes in flight, a changed buffer. */
  readonly violations: string[] = [];
  readonly disk: DiskImage;
  readonly #options: FaultyFileSystemOptions;
  readonly #gate: CallGate;
  readonly #locked: MemoryLocks = new Map();
  #openFileCount = 0;
  /** The disk with what was in flight at the crash, once it happened. */
  #frozen: DiskImage | null = null;

  constructor(options: FaultyFileSystemOptions, disk?: DiskImage) {
    this.#options = options;
    this.disk = disk ?? new DiskImage(diskOptionsOf(options));
    this.#gate = new CallGate({
      plan: new FaultPlan(options.plan),
      crashAt: options.crashAt ?? null,
      schedule: options.schedule ?? null,
      trace: options.trace ?? null,
      onPoint: options.onPoint ?? null,
    });
  }

  // What a test asks and arranges.

  get callCount(): number {
    return this.#gate.callCount;
  }

  get isCrashed(): boolean {
    return this.#gate.isCrashed;
  }

  /** Resolves at the crash. */
  get crashed(): Promise<void> {
    return this.#gate.crashed;
  }

  get openFileCount(): number {
    return this.#openFileCount;
  }

  /** Calls that wait for the schedule. */
  get waitingCount(): number {
    return this.#gate.waitingCount;
  }

  get crashAt(): CrashPoint | null {
    return this.#gate.crashAt;
  }

  set crashAt(point: CrashPoint | null) {
    this.#gate.crashAt = point;
  }

  /** Bytes of all files; raise it to make room on a full disk. */
  get capacityBytes(): number {
    return this.disk.tree.capacityBytes;
  }

  set capacityBytes(bytes: number) {
    this.disk.tree.capacityBytes = bytes;
  }

  addFault(rule: FaultRule): void {
    this.#gate.plan.add(rule);
  }

  clearFaults(): void {
    this.#gate.plan.clear();
  }

  /** Stops the machine now. */
  crash(): void {
    this.#gate.crash();
  }

  /** Lets one waiting call take effect and settle; false when none waits. */
  completeOne(): boolean {
    return this.#gate.completeOne();
  }

  /** Runs `work` to its end, or to the crash, completing calls in the order of the schedule. */
  drive<T>(work: Promise<T>, options: DriveOptions = {}): Promise<Outcome<T>> {
    return drive(this, work, options);
  }

  /** Runs until no call waits and nothing new is called. */
  async runUntilIdle(): Promise<void> {
    await runUntilIdle(this);
  }

  /** Every change that a power cut now could undo, in order; with those in flight. */
  unsynced(): readonly (UnsyncedChange | NameChange)[] {
    return this.#withInFlight().unsynced();
  }

  /** A file system on what a power cut now leaves on the disk. */
  crashImage(choice: CrashChoice = {}, next: NextOptions = {}): FaultyFileSystem {
    const disk = this.#withInFlight().powerCut(choice, choice.random ?? this.#options.random);
    return this.#next(disk, next);
  }

  /**
   * A file system on what the kernel holds after a SIGKILL now: nothing settled is missing, what
   * was in flight is there wholly, partly or not, and all that was not synced still is not.
   */
  killImage(choice: KillChoice = {}, next: NextOptions = {}): FaultyFileSystem {
    const { inFlight = 'random', random = this.#options.random } = choice;
    const disk = this.disk.clone();
    if (inFlight !== 'none') this.#replay(disk, inFlight === 'all' ? null : random);
    for (const change of disk.unsynced()) change.isSettled = true;
    return this.#next(disk, next);
  }

  /** What a crash now would leave, apart from this: for images while the program goes on. */
  stopped(random: Random): FaultyFileSystem {
    const stopped = this.#next(this.disk.clone(), { random, trace: null });
    stopped.#gate.crashWith(this.#gate.inFlight);
    return stopped;
  }

  // The seam.

  async realPath(path: string): Promise<string> {
    const call: Call = { operation: 'realPath', path };
    return this.#gate.call(call, {
      run: () => {
        this.disk.tree.find(call);
        return resolve(path);
      },
    });
  }

  async makeDirectory(path: string): Promise<void> {
    const call: Call = { operation: 'makeDirectory', path };
    await this.#gate.call(call, {
      run: () => this.disk.makeDirectory(call),
      settle: (changes) => changes.forEach((change) => settled(change)),
      replay: (disk) => void disk.makeDirectory(call),
    });
  }

  async list(path: string): Promise<string[]> {
    const call: Call = { operation: 'list', path };
    return this.#gate.call(call, {
      // Shuffled: the seam promises no order, and a Map would keep the order of creation.
      run: () =>
        shuffled([...this.disk.tree.findDirectory(call).entries.keys()], this.#options.random),
    });
  }

  async stat(path: string): Promise<FileStat> {
    const call: Call = { operation: 'stat', path };
    return this.#gate.call(call, { run: () => memoryStat(this.disk.tree.find(call)) });
  }

  async open(path: string, mode: OpenMode): Promise<File> {
    if (mode === 'create') return this.#create(path);
    const call: Call = { operation: 'open', path };
    return this.#gate.call(call, {
      run: () => {
        const file = this.disk.file(this.disk.tree.findFile(call));
        return this.#opened(path, file, mode === 'write');
      },
    });
  }

  async rename(from: string, to: string): Promise<void> {
    const call: Call = { operation: 'rename', path: from };
    await this.#gate.call(call, {
      run: () => this.disk.rename(call, to),
      settle: settled,
      replay: (disk) => void disk.rename(call, to),
    });
  }

  async unlink(path: string): Promise<void> {
    const call: Call = { operation: 'unlink', path };
    await this.#gate.call(call, {
      run: () => this.disk.unlink(call),
      settle: settled,
      replay: (disk) => void disk.unlink(call),
    });
  }

  async removeDirectory(path: string): Promise<void> {
    const call: Call = { operation: 'removeDirectory', path };
    await this.#gate.call(call, {
      run: () => this.disk.removeDirectory(call),
      settle: settled,
      replay: (disk) => void disk.removeDirectory(call),
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const call: Call = { operation: 'syncDirectory', path };
    const covered = this.disk.settledNames(path);
    // An error leaves the changes unsynced: a journal that fails takes no later commit for done.
    await this.#gate.call(call, {
      run: () => this.disk.names.syncDirectory(this.disk.tree.findDirectory(call), covered),
    });
  }

  async space(path: string): Promise<Space> {
    const call: Call = { operation: 'space', path };
    return this.#gate.call(call, {
      run: () => {
        this.disk.tree.find(call);
        const { freeBytes, capacityBytes } = this.disk.tree;
        return { freeBytes, totalBytes: capacityBytes };
      },
    });
  }

  async lockDirectory(path: string, { clock }: LockOptions = {}): Promise<DirectoryLock> {
    const call: Call = { operation: 'lockDirectory', path };
    const taken = await this.#gate.call(call, {
      run: () => {
        const change = createLockFile(this.disk, path);
        const lock = new MemoryLock({ tree: this.disk.tree, locked: this.#locked, path, clock });
        return { lock, change };
      },
      settle: ({ change }) => settled(change),
      replay: (disk) => void createLockFile(disk, path),
    });
    return this.#numbered(taken.lock, path);
  }

  async lockState(path: string): Promise<LockState> {
    const call: Call = { operation: 'lockState', path };
    return this.#gate.call(call, {
      run: () => memoryLockState({ tree: this.disk.tree, locked: this.#locked, path }),
    });
  }

  async #create(path: string): Promise<File> {
    const call: Call = { operation: 'create', path };
    const created = await this.#gate.call(call, {
      run: () => {
        const { file, change } = this.disk.create(call);
        return { file: this.#opened(path, file, true), change };
      },
      settle: ({ change }) => settled(change),
      replay: (disk) => void disk.create(call),
    });
    return created.file;
  }

  #opened(path: string, file: FileImage, isWritable: boolean): File {
    this.#openFileCount += 1;
    return new FaultyFile({
      path,
      file,
      isWritable,
      disk: this.disk,
      gate: this.#gate,
      random: this.#options.random,
      closed: () => {
        this.#openFileCount -= 1;
      },
      violated: (what) => this.violations.push(what),
    });
  }
  #numbered(lock: MemoryLock, path: string): DirectoryLock {
    const gate = this.#gate;
    let releasing: Promise<void> | null = null;
    return {
      mechanism: lock.mechanism,
      takenOver: null,
      onLost: () => lock.onLost(),
      verify: async () => gate.call({ operation: 'verifyLock', path }, { run: () => lock.check() }),
      release() {
        releasing ??= gate.call({ operation: 'releaseLock', path }, { run: () => lock.free() });
        return releasing;
      },
    };
  }

  /** The disk as it is, with all that is in flight done but not settled. */
  #withInFlight(): DiskImage {
    if (this.#frozen !== null) return this.#frozen;
    if (this.#gate.inFlight.length === 0) return this.disk;
    const disk = this.disk.clone();
    this.#replay(disk, null);
    if (this.isCrashed) this.#frozen = disk;
    return disk;
  }

  /** Does what was in flight; with `random`, only some of it, and writes partly. */
  #replay(disk: DiskImage, random: Random | null): void {
    for (const { call, replay } of this.#gate.inFlight) {
      let bytesMax = Number.POSITIVE_INFINITY;
      if (random !== null && random.next() < 1 / 2) {
        if (random.next() < 1 / 2 || call.operation !== 'write') continue;
        bytesMax = randomBelow(random, (call.length ?? 0) + 1);
      }
      try {
        replay(disk, bytesMax);
      } catch (error) {
        if (!(error instanceof IoError)) throw error; // It would have failed, with no effect.
      }
    }
  }

  #next(disk: DiskImage, next: NextOptions): FaultyFileSystem {
    const none = { plan: [], crashAt: null, onPoint: null };
    return new FaultyFileSystem({ ...this.#options, ...none, ...next }, disk);
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(randomBelow(random, rest.length), 1));
}

/** Creates LOCK as a change like any other; null when it is there. */
function createLockFile(disk: DiskImage, path: string): NameChange | null {
  const directory = disk.tree.findDirectory({ operation: 'lockDirectory', path });
  if (directory.entries.has(LOCK_FILE_NAME)) return null;
  return disk.create({ operation: 'lockDirectory', path: join(path, LOCK_FILE_NAME) }).change;
}

function settled(change: UnsyncedChange | NameChange | null): void {
  if (change !== null) change.isSettled = true;
}
