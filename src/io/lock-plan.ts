/** Which mechanisms a writer takes: what the option `lock` asks for, and what of it works here. */
import { LockUnavailableError } from '../core/errors.ts';
import type { UnavailableMechanism } from '../core/errors.ts';
import type { LockChoice } from './file-system.ts';
import { flockMechanism, socketMechanism } from './lock-mechanisms.ts';
import type { HeldMechanism, LockMechanism, LockTarget } from './lock-mechanisms.ts';
import { sqliteMechanism } from './lock-sqlite.ts';

export const LOCK_CHOICES = ['auto', 'flock', 'socket', 'sqlite', 'owner-record'] as const;

/** What to take. */
export interface LockPlan {
  /** Every one of these that works. */
  readonly together: readonly LockMechanism[];
  /** Without any of those, the first of these that works. */
  readonly instead: readonly LockMechanism[];
  /** Without any at all: go by the owner record alone, do so and warn, or refuse. */
  readonly withoutAny: 'accept' | 'warn' | 'refuse';
}

/** What the option `lock` asks for. */
export function planOf(choice: LockChoice): LockPlan {
  return PLANS[choice];
}

const PLANS: Readonly<Record<LockChoice, LockPlan>> = {
  auto: {
    together: [socketMechanism, flockMechanism],
    instead: [sqliteMechanism],
    withoutAny: 'warn',
  },
  socket: { together: [socketMechanism], instead: [], withoutAny: 'refuse' },
  flock: { together: [flockMechanism], instead: [], withoutAny: 'refuse' },
  sqlite: { together: [sqliteMechanism], instead: [], withoutAny: 'refuse' },
  'owner-record': { together: [], instead: [], withoutAny: 'accept' },
};

/** Mechanisms that were taken, or the one that another holds. */
export type TakenMechanisms = readonly HeldMechanism[] | 'held';

/**
 * Takes what the plan says; with `held`, and after an error, nothing stays taken.
 *
 * @throws LockUnavailableError (`ERR_VARVE_LOCK_UNAVAILABLE`)
 */
export async function takePlan(plan: LockPlan, target: LockTarget): Promise<TakenMechanisms> {
  const taking = new Taking(target);
  try {
    for (const mechanism of plan.together) {
      if (!(await taking.take(mechanism))) return await taking.giveBack();
    }
    for (const mechanism of plan.instead) {
      if (taking.taken.length > 0) break;
      if (!(await taking.take(mechanism))) return await taking.giveBack();
    }
  } catch (error) {
    await taking.giveBack();
    throw error;
  }
  const { taken, unavailable: tried } = taking;
  if (taken.length > 0 || plan.withoutAny === 'accept') return taken;
  if (plan.withoutAny === 'refuse')
    throw new LockUnavailableError({ path: target.directory, tried });
  warnOnce(target, tried);
  return taken;
}

class Taking {
  readonly taken: HeldMechanism[] = [];
  readonly unavailable: UnavailableMechanism[] = [];
  readonly #target: LockTarget;

  constructor(target: LockTarget) {
    this.#target = target;
  }

  /** False when another holds it. */
  async take(mechanism: LockMechanism): Promise<boolean> {
    const attempt = await mechanism.take(this.#target);
    if (attempt === 'held') return false;
    if ('unavailable' in attempt) {
      this.unavailable.push({ mechanism: mechanism.name, reason: attempt.unavailable });
    } else this.taken.push(attempt);
    return true;
  }

  async giveBack(): Promise<'held'> {
    for (const mechanism of this.taken) await mechanism.release();
    return 'held';
  }
}

/** Directories that were warned of, by `device:inode` of LOCK. */
const warned = new Set<string>();

function warnOnce(
  { directory, identity }: LockTarget,
  tried: readonly UnavailableMechanism[],
): void {
  if (warned.has(identity)) return;
  warned.add(identity);
  const reasons = tried.map(({ mechanism, reason }) => `${mechanism}: ${reason}`).join('; ');
  process.emitWarning(`no lock of the kernel keeps other writers out of ${directory}`, {
    code: 'VARVE_LOCK_WEAK',
    detail: `Only the record in LOCK does. Tried ${reasons}. lock: 'owner-record' accepts this.`,
  });
}
