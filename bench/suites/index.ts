/** The suites by name. A new one is a file beside this one and a line here. */
import type { Contest } from '../core/contest.ts';

export interface Suite {
  readonly name: string;
  /** Loaded when it is asked for: what one suite lacks does not break the others. */
  readonly load: () => Promise<readonly Contest[]>;
  /** Needs what only a checkout has: left out of the installed package. */
  readonly isCheckoutOnly?: true;
}

export const SUITES: readonly Suite[] = [
  { name: 'append', load: async () => (await import('./append.ts')).appendSuite },
  { name: 'read', load: async () => (await import('./read.ts')).readSuite },
  { name: 'random', load: async () => (await import('./random.ts')).randomSuite },
  { name: 'micro', load: async () => (await import('./micro.ts')).microSuite },
];
