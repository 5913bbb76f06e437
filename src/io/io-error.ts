/** Turns what a platform throws into the `IoError` that the seam promises. */
import { DiskFullError, IoError } from '../core/errors.ts';

export interface IoOperation {
  readonly operation: string;
  readonly path: string;
  readonly position?: number;
}

/** Names that mean "no room", however the kernel spells it: space, quota, file size limit. */
const DISK_FULL_ERRNOS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Builds the error for `errno`. */
export function ioError(errno: string, at: IoOperation, options?: ErrorOptions): IoError {
  const details = {
    path: at.path,
    operation: at.operation,
    position: at.position ?? null,
    errno,
  };
  return DISK_FULL_ERRNOS.has(errno)
    ? new DiskFullError(details, options)
    : new IoError(details, options);
}

/** Wraps a platform error, keeping it as the `cause`. */
export function toIoError(cause: unknown, at: IoOperation): IoError {
  if (cause instanceof IoError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return ioError(typeof code === 'string' ? code : 'UNKNOWN', at, { cause });
}
