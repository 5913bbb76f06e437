/** Runs a program on a faulty file system to its end, or to the crash. */

/** What `drive` needs of a file system. */
export interface Driven {
  readonly isCrashed: boolean;
  readonly callCount: number;
  /** Lets one waiting call take effect and settle; false when none waits. */
  completeOne(): boolean;
}

export interface DriveOptions {
  /**
   * Called when the program waits and no call can complete: advance the clock and return true, or
   * return false when there is nothing to do either.
   */
  readonly onIdle?: () => boolean;
}

export type Outcome<T> =
  | { readonly status: 'done'; readonly value: T }
  | { readonly status: 'failed'; readonly error: unknown }
  | { readonly status: 'crashed' };

/** Turns without any progress after which the program is taken to be stuck. */
const IDLE_TURNS_MAX = 1000;

/**
 * Waits for `work` while completing the calls that it waits for.
 *
 * `work` that never settles, because the machine crashed under it, leaves nothing behind: a later
 * rejection of it is swallowed.
 *
 * @throws Error when the work waits for something that is no call and no timer of `onIdle`
 */
export async function drive<T>(
  fileSystem: Driven,
  work: Promise<T>,
  options: DriveOptions = {},
): Promise<Outcome<T>> {
  const outcomes: Outcome<T>[] = [];
  work.then(
    (value) => outcomes.push({ status: 'done', value }),
    (error: unknown) => outcomes.push({ status: 'failed', error }),
  );
  let idleTurns = 0;
  while (idleTurns < IDLE_TURNS_MAX) {
    const callCount = fileSystem.callCount;
    await turn();
    // The crash comes first: what the program made of it has not happened.
    if (fileSystem.isCrashed) return { status: 'crashed' };
    const [outcome] = outcomes;
    if (outcome !== undefined) return outcome;
    const isMoving = fileSystem.completeOne() || fileSystem.callCount !== callCount;
    if (isMoving || options.onIdle?.() === true) idleTurns = 0;
    else idleTurns += 1;
  }
  throw new Error('the program waits, and no call is in flight');
}

/** Completes calls until none waits and none is made. */
export async function runUntilIdle(fileSystem: Driven): Promise<void> {
  for (;;) {
    const callCount = fileSystem.callCount;
    await turn();
    if (!fileSystem.completeOne() && fileSystem.callCount === callCount) return;
  }
}

/** One turn of the event loop: every microtask that can run has run. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
