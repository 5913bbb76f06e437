/** An open file of the faulty twin: the seam's methods as numbered calls on a disk image. */
import { AssertionError } from '../../src/core/assert.ts';
import type { Random } from '../../src/core/random.ts';
import type { File, FileStat } from '../../src/io/file-system.ts';
import { ioError } from '../../src/io/io-error.ts';
import type { IoOperation } from '../../src/io/io-error.ts';
import { memoryStat } from '../../src/io/memory-file-system.ts';
import { checkPosition } from '../../src/io/memory-tree.ts';
import type { CallGate, Effect } from './call-gate.ts';
import type { DiskImage } from './disk-image.ts';
import type { Call, Fault, Operation } from './fault-plan.ts';
import type { FileImage, UnsyncedChange } from './file-image.ts';

export interface FaultyFileOptions {
  readonly path: string;
  readonly file: FileImage;
  readonly isWritable: boolean;
  readonly disk: DiskImage;
  readonly gate: CallGate;
  readonly random: Random;
  /** Told once, when the file is closed. */
  readonly closed: () => void;
  /** Told of every breach of the seam's contract by the caller. */
  readonly violated: (what: string) => void;
}

interface Taken {
  readonly count: number;
  readonly change: UnsyncedChange | null;
}

/** Bytes [`from`, `to`) of the file. */
interface ByteRange {
  readonly from: number;
  readonly to: number;
}

const EVERYTHING: ByteRange = { from: 0, to: Number.POSITIVE_INFINITY };

export class FaultyFile implements File {
  readonly path: string;
  readonly #options: FaultyFileOptions;
  readonly #file: FileImage;
  readonly #gate: CallGate;
  #closing: Promise<void> | null = null;
  #inFlightCount = 0;
  #whenIdle: (() => void) | null = null;
  /** What writes and truncates change that were called and have not settled. */
  readonly #changing = new Set<ByteRange>();

  constructor(options: FaultyFileOptions) {
    this.path = options.path;
    this.#options = options;
    this.#file = options.file;
    this.#gate = options.gate;
    options.disk.tree.opened(options.file.node);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const call = this.#call('read', { position, length: into.length });
    return this.#track(this.#gate.call(call, this.#read(into, call)));
  }

  readSync(into: Uint8Array, position: number): number {
    const call = this.#call('read', { position, length: into.length });
    return this.#gate.callSync(call, this.#read(into, call));
  }

  async write(from: Uint8Array, position: number): Promise<number> {
    const call = this.#call('write', { position, length: from.length, bytes: from });
    const effect = this.#write(from, call);
    const range = { from: position, to: position + from.length };
    const taken = await this.#change(range, () => this.#gate.call(call, effect));
    return taken.count;
  }

  writeSync(from: Uint8Array, position: number): number {
    const call = this.#call('write', { position, length: from.length, bytes: from });
    this.#checkApart({ from: position, to: position + from.length });
    return this.#gate.callSync(call, this.#write(from, call)).count;
  }

  async datasync(): Promise<void> {
    const call = this.#call('datasync');
    const { disk, random } = this.#options;
    const covered = this.#file.settledChanges();
    const effect: Effect<void> = {
      run: () => disk.datasync(this.#file, covered),
      fail: (fault) => {
        disk.failDatasync(this.#file, fault.lost === 'random' ? random : null);
        throw ioError(fault.errno, call);
      },
    };
    await this.#track(this.#gate.call(call, effect));
  }

  async truncate(sizeBytes: number): Promise<void> {
    const call = this.#call('truncate', { length: sizeBytes });
    const at = { operation: 'truncate', path: this.path };
    if (!this.#options.isWritable) throw ioError('EINVAL', at);
    const truncate = (disk: DiskImage): UnsyncedChange =>
      disk.truncate(fileIn(disk, this.#file), sizeBytes, at);
    const effect: Effect<UnsyncedChange> = {
      run: () => truncate(this.#options.disk),
      settle: settled,
      replay: (disk) => void truncate(disk),
    };
    // Any write in flight: it is not said which of the two is the last.
    await this.#change(EVERYTHING, () => this.#gate.call(call, effect));
  }

  async stat(): Promise<FileStat> {
    const call = this.#call('statFile');
    return this.#track(this.#gate.call(call, { run: () => memoryStat(this.#file.node) }));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#inFlightCount > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    const call: Call = { operation: 'close', path: this.path };
    // A close that reports an error has closed the file all the same.
    const close = (): void => {
      this.#options.disk.tree.closed(this.#file.node);
      this.#options.closed();
    };
    const fail = (fault: Fault): void => {
      close();
      throw ioError(fault.errno, call);
    };
    await this.#gate.call(call, { run: close, fail });
  }

  #read(into: Uint8Array, call: Call): Effect<number> {
    return { run: () => this.#file.node.bytes.read(into, checkPosition(call)) };
  }

  #write(from: Uint8Array, call: Call): Effect<Taken> {
    const at: IoOperation = { operation: 'write', path: this.path, position: call.position ?? -1 };
    if (!this.#options.isWritable) throw ioError('EBADF', at);
    checkPosition(at);
    const bytes = Buffer.from(from); // A copy, also of a Buffer, whose slice() is none.
    const write = (disk: DiskImage, bytesMax: number): Taken =>
      disk.write(fileIn(disk, this.#file), bytes.subarray(0, bytesMax), at);
    const { disk } = this.#options;
    return {
      run: () => {
        this.#checkUnchanged(from, bytes);
        return write(disk, bytes.length);
      },
      settle: ({ change }) => {
        this.#checkUnchanged(from, bytes);
        if (change !== null) settled(change);
      },
      fail: ({ errno, shortBytes }) => {
        if (shortBytes === null) throw ioError(errno, at);
        const count = shortBytes === 'half' ? Math.floor(bytes.length / 2) : shortBytes;
        return write(disk, Math.min(Math.max(count, 1), bytes.length - 1));
      },
      replay: (copy, bytesMax) => void write(copy, Math.min(bytesMax, bytes.length)),
    };
  }

  async #change<T>(range: ByteRange, start: () => Promise<T>): Promise<T> {
    this.#checkApart(range);
    this.#changing.add(range);
    try {
      return await this.#track(start());
    } finally {
      this.#changing.delete(range);
    }
  }

  async #track<T>(operation: Promise<T>): Promise<T> {
    this.#inFlightCount += 1;
    try {
      return await operation;
    } finally {
      this.#inFlightCount -= 1;
      if (this.#inFlightCount === 0) this.#whenIdle?.();
    }
  }

  #call(operation: Operation, what: Pick<Call, 'position' | 'length' | 'bytes'> = {}): Call {
    // After the crash the gate alone answers: nothing is told to a program that is gone.
    if (this.#closing !== null && !this.#gate.isCrashed)
      throw ioError('EBADF', { operation, path: this.path });
    return { operation, path: this.path, ...what };
  }

  #checkUnchanged(from: Uint8Array, bytes: Uint8Array): void {
    if (Buffer.compare(from, bytes) !== 0) {
      this.#violate('the bytes of a write changed before it settled');
    }
  }

  #checkApart({ from, to }: ByteRange): void {
    const isHit = [...this.#changing].some((other) => other.from < to && from < other.to);
    if (isHit && !this.#gate.isCrashed) {
      this.#violate('two writes or truncates of the same bytes in flight');
    }
  }

  #violate(what: string): never {
    this.#options.violated(`${what}: ${this.path}`);
    throw new AssertionError(`${what}: ${this.path}`);
  }
}

function fileIn(disk: DiskImage, file: FileImage): FileImage {
  return disk.files.get(file.node.id) ?? file;
}

function settled(change: UnsyncedChange): void {
  change.isSettled = true;
}
