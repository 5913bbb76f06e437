/** Waits for what a store that this process opened still has to copy. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExchangeStats } from '../src/routing/exchange-stats.ts';
import { countBackfills, describeProjection } from '../src/store/routing-verbs.ts';
import type { CommandContext } from './command.ts';
import { NOTE_AFTER_MS, type StoreDesk } from './store-desk.ts';

const LOOK_AGAIN_MS = 10;

type WaitContext = Pick<CommandContext, 'signal' | 'note' | 'warn'>;

type DestinationStats = ExchangeStats['destinations'][number];

/** A destination of which something is wrong may be slow alone: it fails when it stands still for so long. */
const STILL_MS = 1000;

/** Until all that was published to an exchange is where it goes, but for destinations that fail. */
export function untilProjected(
  context: WaitContext,
  desk: StoreDesk,
  exchange: string,
): Promise<void> {
  const standing = new Standing();
  return until(context, async () => {
    const { position, endOffset, error, destinations } = await desk.ask(describeProjection, {
      exchange,
    });
    const left = destinations.filter((one) => one.bindingId === null && one.lagCount > 0);
    const going = left.filter((one) => !standing.isStill(one) || one.error === null);
    if (going.length > 0 || (position < endOffset && error === null)) return false;
    if (error !== null) context.warn(`what was published is not copied yet: ${error}`);
    for (const { destination, error: reason } of left) {
      context.warn(`${destination} has not got all of its copies yet: ${reason}`);
    }
    return true;
  });
}

/** How long destinations have been where they are. */
class Standing {
  readonly #seen = new Map<string, { readonly position: number; readonly sinceMs: number }>();

  isStill({ destination, partition, position }: DestinationStats): boolean {
    const id = `${partition}/${destination}`;
    const nowMs = performance.now();
    const before = this.#seen.get(id);
    if (before?.position === position) return nowMs - before.sinceMs >= STILL_MS;
    this.#seen.set(id, { position, sinceMs: nowMs });
    return false;
  }
}

/** Until the past that a binding asked for is where it goes. */
export function untilBackfilled(
  context: WaitContext,
  desk: StoreDesk,
  bindingId: number,
): Promise<void> {
  return until(context, async () => (await desk.ask(countBackfills, { bindingId })) === 0);
}

/** @throws the reason of the signal when it fires */
async function until(context: WaitContext, isDone: () => Promise<boolean>): Promise<void> {
  const { signal } = context;
  const noteMs = performance.now() + NOTE_AFTER_MS;
  let isNoted = false;
  while (!(await isDone())) {
    if (!isNoted && performance.now() > noteMs) {
      isNoted = true;
      context.note('waiting for the destinations; Ctrl-C ends the waiting alone');
    }
    signal.throwIfAborted();
    await sleep(LOOK_AGAIN_MS);
  }
}
