/** Turns what a platform throws into the `IoError` that the seam promises. */
import { IoError, ioErrorOf } from '../core/errors.ts';

export interface IoOperation {
  readonly operation: string;
  readonly path: string;
  readonly position?: number;
}

/** Builds the error for `errno`. */
export function ioError(errno: string, at: IoOperation, options?: ErrorOptions): IoError {
  const details = {
    path: at.path,
    operation: at.operation,
    position: at.position ?? null,
    errno,
  };
  return ioErrorOf(details, options);
}

/** Wraps a platform error, keeping it as the `cause`. */
export function toIoError(cause: unknown, at: IoOperation): IoError {
  if (cause instanceof IoError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return ioError(typeof code === 'string' ? code : 'UNKNOWN', at, { cause });
}
