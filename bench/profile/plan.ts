/** What `npm run bench:profile` profiles, and what its child processes answer. */
import type { DurabilityLevel } from '../../src/index.ts';
import type { AllocationSite } from './heap.ts';
import type { FoldedProfile } from './fold.ts';
import type { WaitTotal } from './fs-waits.ts';
import type { Shape } from './workloads.ts';

/** One path through the log, profiled in a process of its own. JSON: it travels there. */
export interface ProfilePlan {
  /** Names the file of its profile. */
  readonly name: string;
  readonly title: string;
  readonly shape: Shape;
  readonly durability: DurabilityLevel;
  readonly callsInFlight: number;
  readonly valueBytes: number;
  /** A multiple of 1000. */
  readonly records: number;
}

/** What a child tells of one plan. */
export interface ProfileReply {
  /** The measured part, by the clock. */
  readonly wallMs: number;
  readonly profile: FoldedProfile;
  readonly waits: readonly WaitTotal[];
}

/** What a child tells of the heap. */
export interface HeapReply {
  readonly bytesPerRecord: number;
  readonly objectsPerRecord: number;
  readonly boxedNumbersPerRecord: number;
  /** The places that make the most objects; counts and bytes per record. */
  readonly sites: readonly AllocationSite[];
}

const KEYED = { valueBytes: 100 } as const;

/** Records of one append per promise are fewer: they take ten times as long. */
export function profilePlans(records: number): readonly ProfilePlan[] {
  const scans = ['cursor', 'batches', 'records'] as const;
  return [
    batch16('append-batch-os', 'os', records),
    batch16('append-batch-sync', 'sync', records),
    {
      ...KEYED,
      name: 'append-sync',
      title: 'append at sync, 1000 callers',
      shape: 'append',
      durability: 'sync',
      callsInFlight: 1000,
      records: Math.ceil(records / 4000) * 1000,
    },
    ...scans.map((shape): ProfilePlan => ({
      ...KEYED,
      name: `scan-${shape}`,
      title: `scan by ${shape}${shape === 'cursor' ? '' : '()'}`,
      shape,
      durability: 'os',
      callsInFlight: 1,
      records,
    })),
  ];
}

function batch16(name: string, durability: DurabilityLevel, records: number): ProfilePlan {
  const title = `appendBatch(1000) at ${durability}, 16 in flight`;
  return { ...KEYED, name, title, shape: 'appendBatch', durability, callsInFlight: 16, records };
}
