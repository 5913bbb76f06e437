/**
 * Every error that Varve reports, with its stable code.
 *
 * Three kinds, never mixed: a caller's mistake is a built-in `TypeError` or `RangeError` with the
 * code `ERR_VARVE_INVALID_ARGUMENT`, thrown before any effect; an operating condition is a
 * `StoreError` subclass to branch on by `code`; a broken invariant is an `AssertionError` without
 * a code, which is a bug in Varve.
 */

/** Stable, documented codes. Adding one is a minor release; renaming or removing one is a major release. */
export const ERROR_CODES = {
  ERR_VARVE_INVALID_ARGUMENT: 'an argument or option is wrong; nothing was done',
  ERR_VARVE_CLOSED: 'the handle was used after close(), or what it stands for was deleted',
  ERR_VARVE_FAILED:
    'an earlier fsync or write failed; this handle writes no more, close it and open again',
  ERR_VARVE_LOCKED: 'another process or handle owns the directory',
  ERR_VARVE_LOCK_UNAVAILABLE: 'no locking mechanism works here',
  ERR_VARVE_READ_ONLY: 'the operation would write, and the handle is read-only',
  ERR_VARVE_IO: 'the operating system refused a file operation',
  ERR_VARVE_DISK_FULL: 'no space, quota or file size left; appends resume when there is some',
  ERR_VARVE_CORRUPT: 'a batch, header or chain failed its check',
  ERR_VARVE_UNSUPPORTED_VERSION: 'the file was written by a newer format version',
  ERR_VARVE_OFFSET_OUT_OF_RANGE: 'the offset is below startOffset or above endOffset',
  ERR_VARVE_WRONG_OFFSET: 'a conditional append expected another end offset',
  ERR_VARVE_TOO_LARGE: 'a record, batch, key, header or transaction is above its limit',
  ERR_VARVE_BACKPRESSURE: 'too many bytes wait for the disk; await earlier appends first',
  ERR_VARVE_CODEC: 'a codec could not encode or decode a value',
  ERR_VARVE_CODEC_UNAVAILABLE: 'this Node.js lacks the codec that the data needs',
  ERR_VARVE_INVALID_VALUE: 'a value does not satisfy the schema',
  ERR_VARVE_NOT_FOUND: 'the named thing does not exist',
  ERR_VARVE_CONFLICT: 'what is asked for contradicts what is stored, or being committed',
  ERR_VARVE_FENCED: 'somebody else owns the partition, or produces under the name, by now',
  ERR_VARVE_SEQUENCE_GAP: 'a sequence of a producer is missing before it; nothing was appended',
  ERR_VARVE_LEASE_LOST: 'the lease is over: the record may be with somebody else',
  ERR_VARVE_TRANSACTION_ENDED: 'the transaction is over, or takes no more',
  ERR_VARVE_BAD_PATTERN: 'the pattern of a binding is too long, no text, or no weight',
  ERR_VARVE_UNROUTABLE: 'no binding matches a record that must go somewhere; nothing was published',
  ERR_VARVE_NOT_REBUILDABLE: 'a destination has more than one source, or its past is gone',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Base class of all operating conditions. `code` is stable; the message is for people. */
export abstract class StoreError extends Error {
  abstract readonly code: ErrorCode;
  /** True when the same call can succeed later with no operator action. */
  readonly retryable: boolean = false;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The handle was closed before or during the call. */
export class ClosedError extends StoreError {
  readonly code = 'ERR_VARVE_CLOSED';
  readonly details: { readonly resource: string; readonly name: string };

  constructor(details: ClosedError['details']) {
    super(`${details.resource} ${details.name} is closed`);
    this.details = details;
  }
}

/** The writer stopped for good after a failed fsync or write: the first failure is the `cause`. */
export class FailedError extends StoreError {
  readonly code = 'ERR_VARVE_FAILED';
  readonly details: {
    readonly path: string;
    /** True when it is unknown whether the rejected call's records are on disk. */
    readonly indeterminate: boolean;
  };

  constructor(details: FailedError['details'], options?: ErrorOptions) {
    super(
      `the writer of ${details.path} failed and writes no more; close it and open it again`,
      options,
    );
    this.details = details;
  }
}

export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  readonly mechanism: string;
}

/** Another process or handle holds the writer's lock. */
export class LockedError extends StoreError {
  readonly code = 'ERR_VARVE_LOCKED';
  override readonly retryable = true;
  readonly details: { readonly path: string; readonly holder: LockHolder | null };

  constructor(details: LockedError['details'], options?: ErrorOptions) {
    const { path, holder } = details;
    const who =
      holder === null
        ? 'another process'
        : `process ${holder.pid} on ${holder.host} (${holder.mechanism})`;
    super(`${path} is locked by ${who}`, options);
    this.details = details;
  }
}

/** A mechanism that does not work here, and why. */
export interface UnavailableMechanism {
  readonly mechanism: string;
  readonly reason: string;
}

/** No locking mechanism that was asked for works on this machine. */
export class LockUnavailableError extends StoreError {
  readonly code = 'ERR_VARVE_LOCK_UNAVAILABLE';
  readonly details: { readonly path: string; readonly tried: readonly UnavailableMechanism[] };

  constructor(details: LockUnavailableError['details'], options?: ErrorOptions) {
    const tried = details.tried.map(({ mechanism, reason }) => `${mechanism} (${reason})`);
    super(`no lock for ${details.path}: tried ${tried.join(', ')}`, options);
    this.details = details;
  }
}

/** A call that writes was made on a read-only handle. */
export class ReadOnlyError extends StoreError {
  readonly code = 'ERR_VARVE_READ_ONLY';
  readonly details: { readonly operation: string; readonly path: string };

  /** @param options.cause  the damage, when that is why */
  constructor(details: ReadOnlyError['details'], options?: ErrorOptions) {
    super(`${details.operation} needs a writer, and ${details.path} is open read-only`, options);
    this.details = details;
  }
}

export interface IoDetails {
  readonly path: string;
  readonly operation: string;
  /** Byte position in the file; null when the operation has none. */
  readonly position: number | null;
  /** The operating system's name of the failure, such as `EIO` or `ENOENT`. */
  readonly errno: string;
  /**
   * Of a refused `appendBatch`: so many of its first records are in the log all the same, or of its
   * records in all partitions of a topic, so it must not simply be tried again. Absent when there are none.
   */
  readonly appendedCount?: number;
  /** The log's own floor refused, not yet the operating system: so many bytes shall stay free. */
  readonly freeBytesMin?: number;
  /** The store's own cap refused: so many bytes may all of its logs have. */
  readonly bytesMax?: number;
}

/** The operating system refused a file operation; its error is the `cause`. */
export class IoError extends StoreError {
  readonly code: 'ERR_VARVE_IO' | 'ERR_VARVE_DISK_FULL' = 'ERR_VARVE_IO';
  override readonly retryable: boolean;
  readonly details: IoDetails;

  constructor(details: IoDetails, options?: ErrorOptions) {
    const at = details.position === null ? '' : ` at byte ${details.position}`;
    const { freeBytesMin, bytesMax } = details;
    const floor = freeBytesMin === undefined ? '' : `, ${Math.ceil(freeBytesMin)} bytes stay free`;
    const cap = bytesMax === undefined ? '' : `, the store may have ${bytesMax} bytes`;
    const what = `${details.operation} of ${details.path}${at}`;
    super(`${what} failed: ${details.errno}${floor}${cap}`, options);
    this.retryable = isPassing(details);
    this.details = details;
  }
}

/**
 * No space, quota or file size is left for a write. Reads go on; appends resume by themselves.
 *
 * A sync that finds no room is a plain `IoError`: it may have lost what was written before.
 */
export class DiskFullError extends IoError {
  override readonly code = 'ERR_VARVE_DISK_FULL';
}

/** Names that mean "no room", however the kernel spells it: space, quota, file size limit. */
const DISK_FULL_ERRNOS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Operations that make earlier writes durable: none of them may be tried again after a failure. */
const SYNC_OPERATIONS: ReadonlySet<string> = new Set(['datasync', 'syncDirectory']);

/** Builds the error for an operating system failure: `DiskFullError` when a write has no room. */
export function ioErrorOf(details: IoDetails, options?: ErrorOptions): IoError {
  return DISK_FULL_ERRNOS.has(details.errno) && !SYNC_OPERATIONS.has(details.operation)
    ? new DiskFullError(details, options)
    : new IoError(details, options);
}

/** Whether there was no room, also for a sync. */
export function isOutOfRoom(error: unknown): error is IoError {
  return error instanceof IoError && DISK_FULL_ERRNOS.has(error.details.errno);
}

/** Whether the same call can succeed later: not a sync, and not what succeeded in part. */
function isPassing({ operation, errno, appendedCount = 0 }: IoDetails): boolean {
  if (appendedCount > 0 || SYNC_OPERATIONS.has(operation)) return false;
  return RETRYABLE_ERRNOS.has(errno) || DISK_FULL_ERRNOS.has(errno);
}

const RETRYABLE_ERRNOS: ReadonlySet<string> = new Set(
  'EAGAIN EBUSY EMFILE ENFILE EINTR ECANCELED'.split(' '),
);

/** What failed its check: `length` covers files that end before their data does. */
export type CorruptionKind =
  'batch' | 'header' | 'chain' | 'length' | 'index' | 'checkpoint' | 'record';

export interface CorruptLogDetails {
  readonly file: string;
  /** Byte position in the file of what failed its check. */
  readonly position: number;
  readonly kind: CorruptionKind;
  /** First offset that the damage covers; null when unknown. */
  readonly firstOffset: number | null;
  /** First offset after the damage; null when unknown. */
  readonly nextOffset: number | null;
  /** One sentence: which check failed, with the stored and the computed value. */
  readonly reason: string;
}

/** Acknowledged data is damaged. Nothing was cut, nothing is hidden. */
export class CorruptLogError extends StoreError {
  readonly code = 'ERR_VARVE_CORRUPT';
  readonly details: CorruptLogDetails;

  constructor(details: CorruptLogDetails, options?: ErrorOptions) {
    const { file, position, kind, firstOffset, nextOffset, reason } = details;
    const range = firstOffset === null ? '' : ` (${offsetRange(firstOffset, nextOffset)})`;
    super(`damaged ${kind} at byte ${position} of ${file}${range}: ${reason}`, options);
    this.details = details;
  }
}

/** As people count: both ends belong to it. */
function offsetRange(firstOffset: number, nextOffset: number | null): string {
  const isKnown = nextOffset !== null && nextOffset > firstOffset;
  return `offsets ${firstOffset} to ${isKnown ? nextOffset - 1 : 'unknown'}`;
}

/** The file's format version is newer than this library. */
export class UnsupportedVersionError extends StoreError {
  readonly code = 'ERR_VARVE_UNSUPPORTED_VERSION';
  readonly details: { readonly file: string; readonly found: number; readonly supported: number };

  constructor(details: UnsupportedVersionError['details'], options?: ErrorOptions) {
    super(
      `${details.file} has format version ${details.found}, this library reads up to ${details.supported}`,
      options,
    );
    this.details = details;
  }
}

export interface OffsetRangeDetails {
  readonly requested: number;
  readonly startOffset: number;
  readonly endOffset: number;
  /** Epoch that the position was read in; null when the caller gave none. */
  readonly epoch: number | null;
}

/** The offset is not readable: deleted, not written yet, or replaced after a power cut. */
export class OffsetOutOfRangeError extends StoreError {
  readonly code = 'ERR_VARVE_OFFSET_OUT_OF_RANGE';
  readonly details: OffsetRangeDetails;

  constructor(details: OffsetRangeDetails) {
    const { requested, startOffset, endOffset, epoch } = details;
    const of = epoch === null ? '' : ` of epoch ${epoch}`;
    super(`offset ${requested}${of} is not within ${startOffset} to ${endOffset}`);
    this.details = details;
  }
}

/** A conditional append found another end offset; nothing was appended. */
export class WrongOffsetError extends StoreError {
  readonly code = 'ERR_VARVE_WRONG_OFFSET';
  readonly details: { readonly expected: number; readonly actual: number };

  constructor(details: WrongOffsetError['details']) {
    super(`expected the end offset to be ${details.expected}, it is ${details.actual}`);
    this.details = details;
  }
}

/** A record, batch, key, header or transaction is above its limit; nothing was appended. */
export class TooLargeError extends StoreError {
  readonly code = 'ERR_VARVE_TOO_LARGE';
  readonly details: {
    readonly what: string;
    readonly bytes: number;
    readonly bytesMax: number;
    /** What the two numbers count, where it is not bytes. */
    readonly unit?: string;
  };

  constructor(details: TooLargeError['details']) {
    const { what, bytes, bytesMax, unit = 'bytes' } = details;
    super(`${what} of ${bytes} ${unit} is above the limit of ${bytesMax}`);
    this.details = details;
  }
}

/** More bytes, or what `unit` says, wait for the disk than may; nothing was appended. */
export class BackpressureError extends StoreError {
  readonly code = 'ERR_VARVE_BACKPRESSURE';
  override readonly retryable = true;
  readonly details: {
    readonly queuedBytes: number;
    readonly queuedBytesMax: number;
    readonly unit?: string;
  };

  constructor(details: BackpressureError['details']) {
    const { queuedBytes: count, queuedBytesMax: max, unit = 'bytes' } = details;
    super(`${count} ${unit} wait for the disk, the limit is ${max}: await earlier appends`);
    this.details = details;
  }
}

/** A codec could not encode or decode a value; its own error is the `cause`. */
export class CodecError extends StoreError {
  readonly code: 'ERR_VARVE_CODEC' | 'ERR_VARVE_CODEC_UNAVAILABLE' = 'ERR_VARVE_CODEC';
  readonly details: {
    readonly codec: string;
    readonly offset: number | null;
    /** Of a compressed batch: where it stands, in bytes. */
    readonly file?: string;
    readonly position?: number;
  };

  constructor(message: string, details: CodecError['details'], options?: ErrorOptions) {
    super(message, options);
    this.details = details;
  }
}

/** This Node.js lacks what the data needs to be decoded. The data is whole, and stays where it is. */
export class CodecUnavailableError extends CodecError {
  override readonly code = 'ERR_VARVE_CODEC_UNAVAILABLE';
}

/** A value does not satisfy the schema. `issues` is what the schema reported. */
export class InvalidValueError extends StoreError {
  readonly code = 'ERR_VARVE_INVALID_VALUE';
  readonly details: { readonly issues: readonly unknown[] };

  constructor(message: string, details: InvalidValueError['details']) {
    super(message);
    this.details = details;
  }
}

/** The named thing does not exist: a log or a store is at a path, others have a name. */
export class NotFoundError extends StoreError {
  readonly code = 'ERR_VARVE_NOT_FOUND';
  readonly details: { readonly kind: string; readonly name: string };

  constructor({ kind, name }: NotFoundError['details'], options?: ErrorOptions) {
    super(`there is no ${kind} ${kind === 'log' || kind === 'store' ? 'at ' : ''}${name}`, options);
    this.details = { kind, name };
  }
}

/** What is asked for contradicts what is stored, or being committed. */
export class ConflictError extends StoreError {
  readonly code = 'ERR_VARVE_CONFLICT';
  readonly details: {
    readonly kind: string;
    readonly name: string;
    readonly stored: string;
    readonly requested: string;
  };

  constructor(details: ConflictError['details']) {
    const { kind, name, stored, requested } = details;
    super(`${kind} ${name === '' ? "''" : name}: stored ${stored}, requested ${requested}`);
    this.details = details;
  }
}

/** Narrows by code, so it also works when two copies of the package are loaded. */
export function isStoreError<C extends ErrorCode>(
  error: unknown,
  code: C,
): error is StoreError & { readonly code: C } {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Whether `error` is an operating system failure with one of these names. */
export function isIoError(error: unknown, ...errnos: readonly string[]): error is IoError {
  if (!(error instanceof IoError)) return false;
  return errnos.length === 0 || errnos.includes(error.details.errno);
}
