/** Feeds the logs that fell behind the others, until they have caught up. */
import { Bell } from '../core/bell.ts';
import type { Clock, Timer } from '../core/clock.ts';
import { toError } from '../core/abort.ts';
import type { Outlet } from './outlet.ts';
import type { Outlets } from './outlets.ts';
import { ProjectionPass, type Routes } from './projection-pass.ts';

/** A log that was refused is tried again after so long, then ever more rarely. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;

export interface CatchUpParts {
  readonly clock: Clock;
  readonly outlets: Outlets;
  readonly newRoutes: () => Routes;
  /** What feeds the others; null = nothing does now. */
  readonly others: () => ProjectionPass | null;
  /** Walks the source from the position of the pass to `to`. @throws as `SourceWalk.run` */
  readonly walk: (pass: ProjectionPass, to: number) => Promise<void>;
  /** Some have caught up with the others. Must not throw. */
  readonly onJoined: () => void;
}

export class CatchUp {
  readonly #parts: CatchUpParts;
  readonly #behind = new Set<Outlet>();
  readonly #retries = new Map<Outlet, { delayMs: number; atMs: number }>();
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  readonly #bell = new Bell();
  #isClosed = false;

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  /** Whether a log is behind. */
  get isNeeded(): boolean {
    return this.#behind.size > 0;
  }

  /** A log fell behind. One that was refused is tried again later, a slow one when it has settled. */
  fellBehind(outlet: Outlet, error: Error | null): void {
    this.#behind.add(outlet);
    if (error !== null) {
      const { delayMs = RETRY_MS_MIN / 2 } = this.#retries.get(outlet) ?? {};
      const next = Math.min(2 * delayMs, RETRY_MS_MAX);
      this.#retries.set(outlet, { delayMs: next, atMs: this.#parts.clock.monotonic() + next });
    }
    this.poke();
  }

  /** Logs of a topic need not wait any longer. */
  retryNow(topicId: number): void {
    for (const outlet of this.#behind) if (outlet.topicId === topicId) this.#retries.delete(outlet);
    this.poke();
  }

  /** What went wrong with a log goes well. */
  recovered(outlet: Outlet): void {
    this.#retries.delete(outlet);
  }

  /** It is not there any more. */
  forget(outlet: Outlet): void {
    this.#behind.delete(outlet);
    this.#retries.delete(outlet);
  }

  /** There may be something to do. Never throws. */
  poke(): void {
    if (this.#isClosed || this.#running !== null || !this.isNeeded) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      this.#arm();
    });
  }

  /** The others got on, or something is synced somewhere. Cheap. */
  moved(): void {
    this.#bell.ring();
  }

  /** Ends it; what it feeds is behind then. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#bell.ring();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      const due = this.#due();
      if (due.length === 0 || this.#isClosed) return;
      for (const outlet of due) if (!outlet.isKnown) await this.#parts.outlets.ask(outlet);
      await this.#feed(due.filter((outlet) => outlet.isKnown && isWaiting(outlet)));
    }
  }

  async #feed(outlets: readonly Outlet[]): Promise<void> {
    if (outlets.length === 0) return;
    const { clock, others, walk, newRoutes } = this.#parts;
    const position = Math.min(...outlets.map((outlet) => outlet.position));
    const pass = new ProjectionPass(this.#partsOf(newRoutes()), position);
    for (const outlet of outlets) outlet.feeder = pass;
    const fed = (): readonly Outlet[] => outlets.filter(({ feeder }) => feeder === pass);
    try {
      while (fed().length > 0 && !this.#isClosed) {
        this.#bell.silence();
        const main = others();
        if (main === null) break;
        if (pass.position >= main.position && !main.isInBatch) {
          this.#join(fed(), main);
          return;
        }
        if (pass.position >= main.position) {
          // It waits for a log, but not for long.
          await this.#bell.wait({ clock, delayMs: null, signal: undefined, keepsAlive: false });
          continue;
        }
        const to = main.position;
        await walk(pass, to);
      }
    } catch (error) {
      for (const outlet of fed()) outlet.refuse(toError(error));
    }
    for (const outlet of fed()) outlet.fallBack();
  }

  /** They have caught up with the others. */
  #join(outlets: readonly Outlet[], main: ProjectionPass): void {
    for (const outlet of outlets) {
      outlet.feeder = main;
      this.#behind.delete(outlet);
      // What is on its way may still be refused.
      if (outlet.isIdle) outlet.recovered();
    }
    this.#parts.onJoined();
  }

  #partsOf(routes: Routes) {
    const { outlets } = this.#parts;
    const outletOf = (topicId: number, partition: number) => outlets.find(topicId, partition);
    return { routes, outletOf };
  }

  /** Behind, and it is time. */
  #due(): readonly Outlet[] {
    const { clock, others } = this.#parts;
    if (others() === null) return [];
    const nowMs = clock.monotonic();
    return [...this.#behind].filter(
      (outlet) => isWaiting(outlet) && (this.#retries.get(outlet)?.atMs ?? 0) <= nowMs,
    );
  }

  #arm(): void {
    const { clock, others } = this.#parts;
    this.#timer?.cancel();
    this.#timer = null;
    let atMs = Number.POSITIVE_INFINITY;
    for (const outlet of this.#behind) {
      if (!isWaiting(outlet)) continue; // It is tried when that has ended.
      atMs = Math.min(atMs, this.#retries.get(outlet)?.atMs ?? 0);
    }
    if (this.#isClosed || others() === null || !Number.isFinite(atMs)) return;
    const delayMs = Math.max(1, atMs - clock.monotonic());
    this.#timer = clock.setTimer(() => this.poke(), delayMs);
  }
}

/** Whether it may be fed. */
function isWaiting(outlet: Outlet): boolean {
  const isHeld = outlet.isSuspended || outlet.isPreparing || outlet.isSkipping;
  return outlet.isBehind && outlet.isSettled && !isHeld;
}
