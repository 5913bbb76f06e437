/**
 * One life of a program on a simulated machine: the calls whose answers it waits for, and what it had to
 * expect. After the crash nothing counts any more: the program's last turns have not happened.
 */
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { describeError } from './describe-error.ts';
import type { Machine } from './machine.ts';

/** @typeParam W  the machine, and what is known of it */
export abstract class Life<W extends Machine<string>> {
  readonly world: W;
  isDiskLimited = false;
  #wasDiskLimited = false;
  readonly #fileSystem: FaultyFileSystem;
  readonly #pending = new Set<Promise<void>>();

  constructor(world: W) {
    this.world = world;
    this.#fileSystem = world.fileSystem;
  }

  /** Whether an error is one that the program had to expect. */
  abstract isExplained(error: unknown): boolean;

  /** Whether the machine is gone: what the program still does has not happened. */
  get isOver(): boolean {
    return this.#fileSystem.isCrashed;
  }

  /** Whether anything went wrong with the disk so far. */
  get hasMishap(): boolean {
    return this.world.injector.firedCount > 0 || this.#wasDiskLimited;
  }

  /** Whether every call was answered. */
  get isSettled(): boolean {
    return this.#pending.size === 0;
  }

  /** Waits until every call was answered. */
  async settle(): Promise<void> {
    while (!this.isSettled) await Promise.all(this.#pending);
  }

  /** Has the program not wait for `work`, but note its end. */
  track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => this.#pending.delete(tracked));
    this.#pending.add(tracked);
    return tracked;
  }

  /**
   * Follows a call to its answer, unless the machine is gone by then.
   *
   * @param failed  called with what it fails with; complains, if nothing else is said
   */
  follow<T>(
    answer: Promise<T>,
    done: (value: T) => void | Promise<void>,
    failed: (error: unknown) => void = (error) => this.explain(error),
  ): Promise<void> {
    const run = async (): Promise<void> => {
      let value: T;
      try {
        value = await answer;
      } catch (error) {
        if (!this.isOver) failed(error);
        return;
      }
      try {
        if (!this.isOver) await done(value);
      } catch (error) {
        this.explain(error); // The answer stands.
      }
    };
    return this.track(run());
  }

  /** Complains about an error that the program had no reason to expect. */
  explain(error: unknown): void {
    if (this.isOver) return;
    const { narrate, fault } = this.world;
    narrate(`failed: ${String(error)}`);
    if (!this.isExplained(error)) fault('error', `unexpected ${describeError(error)}`);
  }

  /** The disk is nearly full from now on, or has room again. */
  resizeDisk(freeBytes: number | null): void {
    const { world } = this;
    this.isDiskLimited = freeBytes !== null;
    this.#wasDiskLimited ||= this.isDiskLimited;
    world.limitDisk(freeBytes);
    world.narrate(`free bytes: ${freeBytes ?? 'plenty'}`);
  }

  /** So many of the next writes to files find no room, whatever there is. */
  cramp(path: RegExp, times: number): void {
    const { fileSystem, narrate } = this.world;
    this.#wasDiskLimited = true;
    fileSystem.addFault({ operations: ['write'], path, errno: 'ENOSPC', times });
    narrate(`no room in ${path.source}, ${times} times`);
  }
}
