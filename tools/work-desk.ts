/** A store for long work: its owner, or the store itself, from the beginning of the work to its end. */
import type { StoreOptions } from '../src/index.ts';
import { listTopics } from '../src/store/control-verbs.ts';
import type { CommandContext } from './command.ts';
import {
  Handover,
  NoOwnerError,
  openToChange,
  OwnDesk,
  OwnerDesk,
  type StoreDesk,
} from './store-desk.ts';

/** npx and `timeout` pass on the signal that the process gets anyway. */
const SAME_SIGNAL_MS = 500;

/**
 * As `changeStore`, but Ctrl-C does not end what is asked of the owner: the work does, in its own time.
 * Who began beside an owner does not take the lock when that one goes: it may be started again.
 *
 * @param work  may call `giveUp`, which ends what is asked of the owner
 * @param options  of a store that is opened here
 * @throws CommandError (exit code 5) when a process has the store open and does not listen
 */
export async function workAtStore<T>(
  context: CommandContext,
  path: string,
  work: (desk: StoreDesk, giveUp: () => void) => Promise<T>,
  options: StoreOptions = {},
): Promise<T> {
  const { signal } = context;
  const patience = new AbortController();
  const giveUp = (): void => patience.abort(signal.reason);
  const handover = new Handover();
  for (;;) {
    signal.throwIfAborted();
    const store = await openToChange(path, options);
    if (!(store instanceof Error)) {
      try {
        return await work(new OwnDesk(store), giveUp);
      } finally {
        await store.close();
      }
    }
    const missing = await missingOwner(path, signal);
    if (missing === null) return work(new OwnerDesk(path, patience.signal), giveUp);
    await handover.wait(missing, store);
  }
}

/** Null when there is one. */
async function missingOwner(path: string, signal: AbortSignal): Promise<NoOwnerError | null> {
  try {
    await new OwnerDesk(path, signal).ask(listTopics, {});
    return null;
  } catch (error) {
    if (error instanceof NoOwnerError) return error;
    throw error;
  }
}

/**
 * Calls `onSignal` for each SIGINT and SIGTERM after the one that aborted `signal`.
 *
 * @param onSignal  with how many there were since
 * @returns ends that
 */
export function furtherSignals(signal: AbortSignal, onSignal: (count: number) => void): () => void {
  let firstMs = 0;
  let count = 0;
  const hear = (): void => {
    if (performance.now() - firstMs < SAME_SIGNAL_MS) return;
    count++;
    onSignal(count);
  };
  const begin = (): void => {
    firstMs = performance.now();
    process.on('SIGINT', hear);
    process.on('SIGTERM', hear);
  };
  signal.addEventListener('abort', begin, { once: true });
  if (signal.aborted) begin();
  return () => {
    signal.removeEventListener('abort', begin);
    process.off('SIGINT', hear);
    process.off('SIGTERM', hear);
  };
}
