/** The program of one life of a store that routes: a random script over a session. */
import { randomBelow } from '../../../../src/core/random.ts';
import { turns } from '../../log-fixture.ts';
import { pick } from '../plan.ts';
import {
  appendBeside,
  consume,
  detach,
  rebuildSound,
  trimDestination,
  trimSource,
} from './destination-steps.ts';
import type { RoutingPublishes } from './routing-publishes.ts';
import type { RoutingSession } from './routing-session.ts';
import {
  alter,
  bind,
  createExchange,
  createTopic,
  deleteExchange,
  deleteTopic,
  grow,
  unbind,
  type Life,
} from './topology-steps.ts';

type Step = (life: Life) => void | Promise<void>;

const STEPS: readonly (readonly [number, Step])[] = [
  [14, ({ publishes }) => publishes.one()],
  [7, ({ publishes }) => publishes.batch()],
  [4, ({ publishes }) => publishes.flood()],
  [2, ({ publishes }) => publishes.together()],
  [2, appendBeside],
  [6, consume],
  [1.5, detach],
  [1, rebuildSound],
  [6, bind],
  [3, unbind],
  [2, createExchange],
  [2, createTopic],
  [0.6, deleteExchange],
  [0.8, deleteTopic],
  [1, grow],
  [2, alter],
  [2, trimDestination],
  [2, trimSource],
  [3, ({ session }) => session.look('in between')],
  [3, advance],
  [1, resize],
  [2, settleShortly],
];

export async function runRoutingProgram(
  session: RoutingSession,
  publishes: RoutingPublishes,
): Promise<void> {
  const { world } = session;
  const life = { session, publishes };
  for (let left = 5 + randomBelow(world.random, 3 * world.plan.stepCount); left > 0; left--) {
    if (session.isOver) return;
    try {
      await pickStep(life)(life);
    } catch (error) {
      session.explain(error);
    }
    if (world.chance(0.3)) await turns(1 + randomBelow(world.random, 4));
  }
  session.resizeDisk(null);
}

function pickStep({ session }: Life): Step {
  const { world } = session;
  const { exchanges } = world.model;
  if (exchanges.length === 0) return createExchange;
  if (session.destinations.length === 0) return createTopic;
  const total = STEPS.reduce((sum, [weight]) => sum + weight, 0);
  let left = world.random.next() * total;
  for (const [weight, step] of STEPS) {
    if (left < weight) return step;
    left -= weight;
  }
  return bind;
}

async function advance({ session }: Life): Promise<void> {
  const { world } = session;
  await session.wait(pick(world.random, [20, 20, 300, 300, 1500, 1500, 6000, 31_000, 61_000]));
}

async function settleShortly({ session }: Life): Promise<void> {
  await session.settleWithin(2);
}

function resize({ session }: Life): void {
  const { fullDiskBytes } = session.world.plan;
  if (fullDiskBytes === null) return;
  session.resizeDisk(session.isDiskLimited ? null : fullDiskBytes);
}
