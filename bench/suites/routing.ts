/** Suite `routing`: where records go, in memory alone: no disk, no payload. */
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';
import type { BindingMemoryParameters } from '../jobs/binding-memory.ts';
import type { RouteParameters } from '../jobs/route.ts';
import { countRate } from './sides.ts';

/** Some tenths of a second. */
const ROUTES = 2 ** 19;
const BINDINGS = 1000;
/** More keys than are remembered, or fewer. */
const OFTEN_NEW = 10;
const ALL_KNOWN = 0.5;

export const routingSuite: readonly Contest[] = [
  {
    id: 'routing/topic',
    suite: 'routing',
    title: 'keys through 1,000 patterns with wildcards',
    sides: [
      flights('uniform', '10 times as many keys as are remembered, uniform', 'uniform', OFTEN_NEW),
      flights('zipf', '10 times as many keys as are remembered, Zipf', 'zipf', OFTEN_NEW),
      flights('known', 'half as many keys as are remembered', 'uniform', ALL_KNOWN),
    ],
    goals: [
      rateGoal('routing, 10 times the cache, uniform: M keys/s', 'uniform', 1),
      rateGoal('routing, 10 times the cache, Zipf: M keys/s', 'zipf', 1),
      rateGoal('routing, keys fit the cache: M keys/s', 'known', 5),
    ],
  },
  {
    id: 'routing/bindings',
    suite: 'routing',
    title: 'three bindings match, of few or many',
    sides: [three('10', 10), three('10k', 10_000), three('100k', 100_000)],
    goals: [
      {
        name: 'routing, 3 of 10,000 bindings match: of 3 of 10',
        subject: '10k',
        references: ['10'],
        goal: 0.3,
        bound: 'min',
      },
    ],
  },
  {
    id: 'routing/memory',
    suite: 'routing',
    title: 'memory of bindings',
    sides: [memory('10k', 10_000), memory('100k', 100_000)],
    goals: [
      {
        name: 'bytes per binding, 100,000: of 10,000',
        subject: '100k',
        references: ['10k'],
        goal: 1.2,
        bound: 'max',
      },
    ],
  },
];

function flights(
  id: string,
  title: string,
  draw: RouteParameters['draw'],
  keysOfCache: number,
): Side {
  return route(id, title, { load: 'flights', bindings: BINDINGS, keysOfCache, draw });
}

function three(id: string, bindings: number): Side {
  const title = `3 of ${id} bindings match, keys mostly new`;
  // One more than three for each group.
  const count = bindings - ((bindings - 1) % 3);
  return route(id, title, {
    load: 'three',
    bindings: count,
    keysOfCache: OFTEN_NEW,
    draw: 'uniform',
  });
}

function route(id: string, title: string, load: Omit<RouteParameters, 'routes'>): Side {
  const parameters: RouteParameters = { ...load, routes: ROUTES };
  return countRate({ id, title, job: 'route', parameters, unit: 'keys/s', warmBytes: 0 });
}

function memory(id: string, bindings: number): Side {
  const parameters: BindingMemoryParameters = { bindings };
  return {
    id,
    title: `${id} bindings with patterns of their own`,
    job: 'binding-memory',
    parameters,
    metric: 'extra:bytesPerBinding',
    unit: 'bytes',
    isHigherBetter: false,
    nodeFlags: ['--expose-gc'],
    warmBytes: 0,
  };
}

function rateGoal(name: string, subject: string, goal: number): GoalSpec {
  const compute = (sample: Sample) => figureOf(sample, 'records/s') / 1e6;
  return { name, subject, references: [], goal, bound: 'min', compute };
}
