/** Waiting for many things, each of which may fail, without leaving any of them behind. */

/** Waits for all of them. @returns their results @throws the first failure, when all have settled */
export async function settleAll<T>(pending: Iterable<T | PromiseLike<T>>): Promise<Awaited<T>[]> {
  const settled = await Promise.allSettled(pending);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
