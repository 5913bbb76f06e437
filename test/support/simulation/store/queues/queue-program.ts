/** What the program does with queues and share groups, one step at a time. */
import { randomBelow } from '../../../../../src/core/random.ts';
import { chance } from '../../plan.ts';
import {
  cancel,
  deleteGroup,
  deleteQueue,
  pauseOrResume,
  purge,
  redrive,
  undoPurge,
} from './queue-changes.ts';
import { compare } from './queue-compare.ts';
import type { QueueSession } from './queue-session.ts';
import {
  ack,
  ackAll,
  giveBack,
  reject,
  release,
  renew,
  transact,
  useStale,
} from './queue-settling.ts';
import { acquire, closeHandle, openHandle, send, takeAll } from './queue-steps.ts';
import { QUEUE_TOPIC } from './queue-topics.ts';
import { advance, advanceFar, jump, stall } from './queue-time.ts';

type Step = (queues: QueueSession) => void | Promise<void>;

const STEPS: readonly (readonly [number, Step])[] = [
  [7, openHandle],
  [14, send],
  [20, acquire],
  [10, ack],
  [6, ackAll],
  [8, release],
  [4, reject],
  [2, giveBack],
  [3, renew],
  [4, transact],
  [3, useStale],
  [2, cancel],
  [1.5, purge],
  [2, undoPurge],
  [2, pauseOrResume],
  [3, redrive],
  [2, closeHandle],
  [0.7, deleteGroup],
  [0.4, deleteQueue],
  [5, advance],
  [1.5, advanceFar],
  [2, stall],
  [1.5, jump],
  [4, compare],
  [2, (queues) => takeAll(queues).then(() => undefined)],
  [1.5, (queues) => takeAll(queues, KEPT_SHARE).then(() => undefined)],
  [4, (queues) => queues.quiet()],
];

const TOTAL = STEPS.reduce((sum, [weight]) => sum + weight, 0);
const STEPS_MAX = 12;
/** Of lives; where what consumers settle is not synced, there is more to find. */
const TAKE_SHARE = 0.3;
const TAKE_SHARE_UNSYNCED = 0.8;
/** Of records, that are put off: segments stay for them, and are rewritten. */
const KEPT_SHARE = 0.2;

/** Some steps, where the plan of the seed has any. */
export async function runQueueSteps(queues: QueueSession): Promise<void> {
  const { world, session } = queues;
  if (!world.hasQueues) return;
  for (let left = randomBelow(world.random, STEPS_MAX + 1); left > 0; left--) {
    if (session.isOver) return;
    await pickStep(queues)(queues);
    queues.observe();
  }
}

function pickStep({ world, handles }: QueueSession): Step {
  if (handles.length === 0) return openHandle;
  let left = world.random.next() * TOTAL;
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  return compare;
}

/**
 * The last step of a life, now and then: what comes of it is what a crash finds.
 *
 * @returns whether there is to be a power cut: settled segments went or were rewritten, and what settled
 *   them may not be synced yet
 */
export async function endQueueSteps(queues: QueueSession): Promise<boolean> {
  const { world, session } = queues;
  const share = world.isSynced(QUEUE_TOPIC) ? TAKE_SHARE : TAKE_SHARE_UNSYNCED;
  if (!world.hasQueues || session.isOver || !chance(world.random, share)) return false;
  const keptShare = chance(world.random, 0.5) ? KEPT_SHARE : 0;
  return (await takeAll(queues, keptShare)) && !world.isSynced(QUEUE_TOPIC);
}
