/** Decides at each call of the file system whether it fails, and remembers what failed. */
import { TEMPORARY_SUFFIX } from '../../../src/format/file-names.ts';
import type { Random } from '../../../src/core/random.ts';
import type { Call, FaultRule } from '../fault-plan.ts';
import { chance, pick, type FaultOdds } from './plan.ts';

/** What the injector needs of the file system. */
export interface Faulty {
  readonly isCrashed: boolean;
  addFault(rule: FaultRule): void;
}

/** Calls that a log makes to look, and those that it must survive failing anywhere. */
const SYNCS = ['datasync', 'syncDirectory'];

export class FaultInjector {
  /** Off: nothing fails. */
  isOn = false;
  /** Calls that failed since `reset`, and of those the failed syncs. */
  firedCount = 0;
  failedSyncCount = 0;
  /** Of the whole seed. */
  totalCount = 0;
  hasFailedSync = false;
  readonly #random: Random;
  readonly #odds: FaultOdds;

  constructor(random: Random, odds: FaultOdds) {
    this.#random = random;
    this.#odds = odds;
  }

  /** Forgets what failed, for a new handle. */
  reset(): void {
    this.firedCount = 0;
    this.failedSyncCount = 0;
  }

  /** To be told of each call before it is done: arranges that this very call fails, or not (null). */
  onCall(fileSystem: Faulty, number: number, call: Call): string | null {
    if (!this.isOn) return null;
    const rule = this.#choose(call);
    if (rule === null) return null;
    fileSystem.addFault({ ...rule, operations: [call.operation], fromCall: number, times: 1 });
    this.firedCount++;
    this.totalCount++;
    if (SYNCS.includes(call.operation)) {
      // One of an unfinished file fails what it is for, and nothing that was acknowledged.
      if (!call.path.endsWith(TEMPORARY_SUFFIX)) this.failedSyncCount++;
      this.hasFailedSync = true;
    }
    return rule.errno;
  }

  #choose(call: Call): FaultRule | null {
    const random = this.#random;
    const { io, sync, full, files } = this.#odds;
    const { operation } = call;
    if (SYNCS.includes(operation) && chance(random, sync)) {
      return { errno: pick(random, ['EIO', 'ENOSPC']), lost: pick(random, ['all', 'random']) };
    }
    if (operation === 'write' && chance(random, full)) {
      const isShort = chance(random, 0.5);
      return {
        errno: pick(random, ['ENOSPC', 'EDQUOT']),
        ...(isShort ? { shortBytes: 'half' } : {}),
      };
    }
    if ((operation === 'open' || operation === 'create') && chance(random, files)) {
      return { errno: 'EMFILE' };
    }
    if (operation !== 'releaseLock' && chance(random, io)) return { errno: 'EIO' };
    return null;
  }
}
