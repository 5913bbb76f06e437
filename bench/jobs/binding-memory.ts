/**
 * What a topology holds in memory per binding; needs `--expose-gc`. Timed: making the bindings.
 *
 * Each binding has a pattern of its own, in four words of which some are wildcards, and one of 1,000
 * topics to lead to. The pattern's text is part of it.
 */
import { Topology } from '../../src/routing/topology.ts';
import type { Job, Sample } from '../core/job.ts';
import { heldMemoryBytes } from './held-memory.ts';
import { EXCHANGE_ID } from './route-load.ts';

export type BindingMemoryParameters = { readonly bindings: number };

const TOPICS = 1000;

export async function openJob(
  _directory: string,
  { bindings }: BindingMemoryParameters,
): Promise<Job> {
  return {
    run(): Promise<Sample> {
      const bareBytes = heldMemoryBytes();
      const topology = new Topology();
      const exchange = { exchangeId: EXCHANGE_ID, type: 'topic', alternateId: null } as const;
      topology.addExchange({ ...exchange, isInternal: false });
      const startMs = performance.now();
      for (let n = 1; n <= bindings; n++) {
        const target = { kind: 'topic', id: n % TOPICS } as const;
        const binding = { bindingId: n, exchangeId: EXCHANGE_ID, target };
        topology.bind({ ...binding, routingKey: patternOf(n), headers: null });
      }
      const ms = performance.now() - startMs;
      const bytesPerBinding = (heldMemoryBytes() - bareBytes) / bindings;
      if (topology.bindingCount !== bindings) throw new Error('every binding is one of its own');
      return Promise.resolve({ bytes: 0, records: bindings, ms, extra: { bytesPerBinding } });
    },
    close: () => Promise.resolve(),
  };
}

function patternOf(n: number): string {
  return `area${n % 100}.${n % 3 === 0 ? '*' : `kind${n % 17}`}.item${n}.${n % 5 === 0 ? '#' : 'end'}`;
}
