/**
 * The writer's lock of a directory: one writer per directory, for as long as its thread lives.
 *
 * Under the guard, which only one opener at a time is in, a writer takes the mechanisms of its
 * plan, judges the owner that LOCK names, and writes its own record. So whatever two writers
 * locked, the later one finds the record of the earlier. LOCK is never deleted: a new LOCK would be
 * a second lock, and the holder of the old one would not know (`verify` finds out).
 */
import fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

import { systemClock } from '../core/clock.ts';
import type { Clock } from '../core/clock.ts';
import { isIoError, LockedError } from '../core/errors.ts';
import type { LockHolder } from '../core/errors.ts';
import { settleAll } from '../core/settle-all.ts';
import { callFs, Descriptor } from './descriptor.ts';
import type { DirectoryLock, LockOptions } from './file-system.ts';
import { ioError } from './io-error.ts';
import { enterGuard } from './lock-guard.ts';
import type { LockGuard } from './lock-guard.ts';
import { Heartbeat } from './lock-heartbeat.ts';
import type { HeldMechanism, LockTarget } from './lock-mechanisms.ts';
import { currentOwner, HEARTBEAT_MS, judgeOwner } from './lock-owner.ts';
import type { LockOwner, RecordedOwner } from './lock-owner.ts';
import { planOf, takePlan } from './lock-plan.ts';
import type { LockPlan } from './lock-plan.ts';
import {
  LOCK_FILE_NAME,
  readOwner,
  readRecord,
  writeOwner,
  writeRecord,
  writeState,
} from './lock-record.ts';

/**
 * The locks of this thread by `device:inode` of LOCK.
 *
 * The one piece of process-wide state, because what it says is about the process: a second handle
 * of the same directory, by whatever path and from whatever store, must be refused also where no
 * mechanism distinguishes two holders in one process. Entries leave with `release`. Other threads
 * have a registry of their own, and are seen as other processes are.
 */
const heldHere = new Map<string, LockHolder>();

/** How long an old heartbeat is watched before its owner counts as gone: two beats. */
const WATCH_MS = 2 * HEARTBEAT_MS;
/** The disk is full or read-only: no reason to refuse a lock that the kernel has granted. */
const RECORD_MAY_FAIL_WITH = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS'];

export interface DirectoryLockOptions extends LockOptions {
  /** For tests; default what `lock` says. */
  readonly plan?: LockPlan;
}

/**
 * Locks `path` for this thread until `release`, or until the thread ends.
 *
 * Works with no byte free once LOCK has its record, which is overwritten in place. When the record
 * cannot be written for lack of space, a lock of the kernel is held all the same, but the next
 * opener that is refused may be told of an older holder, or of none, and an opener that uses none
 * of our mechanisms is not kept out.
 *
 * @throws LockedError (`ERR_VARVE_LOCKED`) naming the holder
 * @throws LockUnavailableError (`ERR_VARVE_LOCK_UNAVAILABLE`) when what was asked for does not work
 * @throws IoError when LOCK cannot be opened or read
 */
export async function takeDirectoryLock(
  path: string,
  options: DirectoryLockOptions = {},
): Promise<DirectoryLock> {
  const { clock = systemClock, plan = planOf(options.lock ?? 'auto') } = options;
  const { O_CREAT, O_RDWR } = fs.constants;
  const descriptor = await Descriptor.open(join(path, LOCK_FILE_NAME), O_RDWR | O_CREAT);
  const undo: Undo = [() => descriptor.close()];
  try {
    const { dev, ino } = await descriptor.stat();
    const target = { directory: path, descriptor, identity: `${dev}:${ino}` };
    reserve(target);
    undo.push(async () => void heldHere.delete(target.identity));
    const guard = await enterGuard({ directory: path, lockIdentity: target.identity, clock });
    undo.push(() => guard.leave());
    const hold = await takeHold({ target, guard, clock, plan, undo });
    await checkHold(hold); // LOCK may have been replaced between the open and the lock.
    if (!(await guard.isHeld())) throw new LockedError({ path, holder: null });
    await guard.leave();
    heldHere.set(target.identity, hold.own);
    return new NodeDirectoryLock(hold);
  } catch (error) {
    // Whatever else fails now: every step is done, and the caller hears of the first failure.
    for (const step of undo.reverse()) await step().catch(() => undefined);
    throw error;
  }
}

/** Steps that take back what was done, to be done last first. */
type Undo = (() => Promise<void>)[];

/** What a held lock consists of. */
interface Hold {
  readonly target: LockTarget;
  readonly own: LockOwner;
  readonly mechanisms: readonly HeldMechanism[];
  readonly clock: Clock;
  readonly takenOver: LockHolder | null;
  /** Whether LOCK says so: not on a full disk. */
  readonly isRecorded: boolean;
}

/** In one step with the check: no other open of this thread can come between. */
function reserve({ directory, identity }: LockTarget): void {
  const holder = heldHere.get(identity);
  if (holder !== undefined) throw lockedBy(directory, holder);
  heldHere.set(identity, { pid: process.pid, host: hostname(), mechanism: 'process' });
}

interface Taking extends Pick<Hold, 'target' | 'clock'> {
  readonly guard: LockGuard;
  readonly plan: LockPlan;
  readonly undo: Undo;
}

async function takeHold({ target, guard, clock, plan, undo }: Taking): Promise<Hold> {
  const { directory, descriptor, identity: lockIdentity } = target;
  const mechanisms = await takePlan(plan, target);
  if (mechanisms === 'held') throw lockedBy(directory, await livingOwner(target, clock));
  undo.push(() => releaseAll(mechanisms));
  const isKernels = mechanisms.length > 0;
  if (!isKernels && guard.problem !== null) throw guard.problem; // Nothing at all would hold.
  const names = mechanisms.map(({ name }) => name).toSorted();
  const mechanism = isKernels ? names.join('+') : 'owner-record';
  const own = currentOwner({ mechanism, lockIdentity }, clock);
  const takenOver = await displaceOwner(target, { own, clock });
  // A claim that another opener took away in the meantime says that it may own LOCK by now.
  if (!(await guard.isHeld())) throw new LockedError({ path: directory, holder: null });
  const before = await readRecord(descriptor);
  undo.push(async () => {
    // Without our claim LOCK may have been another's when we wrote to it: it must name that one again.
    if (await guard.isHeld()) await sayReleased(descriptor, { own, clock });
    else await writeRecord(descriptor, before);
  });
  const isRecorded = await record(descriptor, own, { mayFail: isKernels });
  return { target, own, mechanisms, clock, takenOver, isRecorded };
}

/**
 * Makes sure that the owner in LOCK is gone; an unseen one that was silent for long is watched.
 *
 * @returns the owner whose lock is taken over; null when there was none that might live
 * @throws LockedError (`ERR_VARVE_LOCKED`)
 */
async function displaceOwner(
  { directory, descriptor }: LockTarget,
  view: { readonly own: LockOwner; readonly clock: Clock },
): Promise<LockHolder | null> {
  const found = await readOwner(descriptor);
  const verdict = found === null ? 'gone' : judgeOwner(found, view);
  if (found === null || verdict === 'gone') return null;
  if (verdict === 'live') throw lockedBy(directory, found);
  await pass(view.clock, WATCH_MS);
  const later = await readOwner(descriptor);
  if (later === null || later.released) return null;
  const isSilent = later.nonce === found.nonce && later.heartbeatAtMs === found.heartbeatAtMs;
  if (!isSilent) throw lockedBy(directory, later);
  return holderOf(found);
}

/** The clock's timers do not keep a process alive, and who opens a log may have nothing else. */
function pass(clock: Clock, delayMs: number): Promise<void> {
  const keepAlive = setInterval(() => {}, delayMs);
  return new Promise((resolve) => {
    clock.setTimer(() => {
      clearInterval(keepAlive);
      resolve();
    }, delayMs);
  });
}

/** Null when LOCK names one that is gone: the holder has not written its own record yet. */
async function livingOwner(target: LockTarget, clock: Clock): Promise<LockOwner | null> {
  const found = await readOwner(target.descriptor);
  if (found === null) return null;
  const own = currentOwner({ mechanism: '', lockIdentity: target.identity }, clock);
  return judgeOwner(found, { own, clock }) === 'gone' ? null : found;
}

/** Whether LOCK has the record now. */
async function record(
  descriptor: Descriptor,
  own: LockOwner,
  { mayFail }: { readonly mayFail: boolean },
): Promise<boolean> {
  try {
    const isWhole = await writeOwner(descriptor, own);
    if (isWhole || mayFail) return isWhole;
    throw ioError('ENOSPC', { operation: 'lock', path: descriptor.path });
  } catch (error) {
    if (mayFail && isIoError(error, ...RECORD_MAY_FAIL_WITH)) return false;
    throw error;
  }
}

/** Says in LOCK that its owner let go, if it is still ours. */
async function sayReleased(
  descriptor: Descriptor,
  { own, clock }: Pick<Hold, 'own' | 'clock'>,
): Promise<void> {
  try {
    const { nonce } = own;
    if ((await readOwner(descriptor))?.nonce !== nonce) return; // Another's by now: not ours to change.
    await writeState(descriptor, { nonce, heartbeatAtMs: clock.now(), released: true });
  } catch (error) {
    if (!isIoError(error, ...RECORD_MAY_FAIL_WITH)) throw error;
  }
}

/** @throws what the first mechanism that could not be released threw, when all were asked */
async function releaseAll(mechanisms: readonly HeldMechanism[]): Promise<void> {
  await settleAll(mechanisms.map((mechanism) => mechanism.release()));
}

/** @throws LockedError (`ERR_VARVE_LOCKED`) when LOCK is another file, or another owner's */
async function checkHold({ target, own, isRecorded }: Hold): Promise<void> {
  const { directory, descriptor, identity } = target;
  const at = { operation: 'verifyLock', path: descriptor.path };
  let found: fs.BigIntStats;
  try {
    found = await callFs<fs.BigIntStats>(at, (done) => {
      fs.lstat(descriptor.path, { bigint: true }, done);
    });
  } catch (error) {
    if (!isIoError(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new LockedError({ path: directory, holder: null }, { cause: error });
  }
  const isSameFile = `${found.dev}:${found.ino}` === identity;
  const owner = isSameFile ? await readOwner(descriptor) : await ownerAt(descriptor.path);
  if (!isSameFile || (isRecorded && owner?.nonce !== own.nonce)) throw lockedBy(directory, owner);
}

/** The owner that a LOCK put in our place names; null when it cannot be told. */
async function ownerAt(lockPath: string): Promise<RecordedOwner | null> {
  try {
    const descriptor = await Descriptor.open(lockPath, fs.constants.O_RDONLY);
    try {
      return await readOwner(descriptor);
    } finally {
      await descriptor.close();
    }
  } catch (error) {
    if (isIoError(error)) return null; // The news is the replacement, not this.
    throw error;
  }
}

function lockedBy(path: string, holder: LockHolder | null): LockedError {
  return new LockedError({ path, holder: holder === null ? null : holderOf(holder) });
}

function holderOf({ pid, host, mechanism }: LockHolder): LockHolder {
  return { pid, host, mechanism };
}

class NodeDirectoryLock implements DirectoryLock {
  readonly #hold: Hold;
  readonly #heartbeat: Heartbeat | null;
  #releasing: Promise<void> | null = null;
  #onLost: (() => void) | null = null;

  constructor(hold: Hold) {
    const { target, own: owner, clock } = hold;
    const { descriptor } = target;
    this.#hold = hold;
    const verify = () => checkHold(hold);
    const onLost = () => this.#onLost?.();
    this.#heartbeat = hold.isRecorded
      ? new Heartbeat({ descriptor, owner, clock, verify, onLost })
      : null;
  }

  get mechanism(): string {
    return this.#hold.own.mechanism;
  }

  get takenOver(): LockHolder | null {
    return this.#hold.takenOver;
  }

  onLost(callback: () => void): void {
    this.#onLost = callback;
  }

  async verify(): Promise<void> {
    const { path } = this.#hold.target.descriptor;
    if (this.#releasing !== null) throw ioError('EBADF', { operation: 'verifyLock', path });
    await checkHold(this.#hold);
  }

  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #release(): Promise<void> {
    const { target, mechanisms } = this.#hold;
    const { descriptor, identity } = target;
    try {
      await this.#heartbeat?.stop();
      await sayReleased(descriptor, this.#hold);
    } finally {
      // The mechanisms go in any case: a record that stayed behind names a thread that will end.
      try {
        await releaseAll(mechanisms);
      } finally {
        await descriptor.close().finally(() => heldHere.delete(identity));
      }
    }
  }
}
