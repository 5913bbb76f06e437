/** Waits for what a store that this process opened still has to copy. */
import { setTimeout as sleep } from 'node:timers/promises';
import { countBackfills, describeProjection } from '../src/store/routing-verbs.ts';
import type { CommandContext } from './command.ts';
import { NOTE_AFTER_MS, type StoreDesk } from './store-desk.ts';

const LOOK_AGAIN_MS = 10;

/** Until all that was published to an exchange is where it goes, but for destinations that fail. */
export function untilProjected(
  context: CommandContext,
  desk: StoreDesk,
  exchange: string,
): Promise<void> {
  return until(context, async () => {
    const { position, endOffset, error, destinations } = await desk.ask(describeProjection, {
      exchange,
    });
    const own = destinations.filter(({ bindingId }) => bindingId === null);
    const failed = own.filter((one) => one.lagCount > 0 && one.error !== null);
    if (error !== null) context.warn(`what was published is not copied yet: ${error}`);
    const isRead = position >= endOffset || error !== null;
    if (!isRead || own.some((one) => one.lagCount > 0 && one.error === null)) return false;
    for (const { destination, error: reason } of failed) {
      context.warn(`${destination} has not got all of its copies yet: ${reason}`);
    }
    return true;
  });
}

/** Until the past that a binding asked for is where it goes. */
export function untilBackfilled(
  context: CommandContext,
  desk: StoreDesk,
  bindingId: number,
): Promise<void> {
  return until(context, async () => (await desk.ask(countBackfills, { bindingId })) === 0);
}

/** @throws the reason of the signal when it fires */
async function until(context: CommandContext, isDone: () => Promise<boolean>): Promise<void> {
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
