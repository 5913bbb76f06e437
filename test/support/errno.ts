/** Expectations about the operating system's errors. */
import { expect } from 'vitest';

import { IoError } from '../../src/core/errors.ts';

/** The promise rejects with an `IoError` of this name. */
export async function expectErrno(promise: Promise<unknown>, errno: string): Promise<void> {
  const error: unknown = await promise.then(
    () => 'no error',
    (rejection: unknown) => rejection,
  );
  expect(error).toBeInstanceOf(IoError);
  expect(error).toMatchObject({ details: { errno } });
}

/** For `toThrow`: an error of this name. */
export function withErrno(errno: string): Partial<IoError> {
  return expect.objectContaining({ details: expect.objectContaining({ errno }) });
}
