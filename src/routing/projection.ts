/**
 * Brings a stream of an exchange into its destination logs: all that is published to it from here on,
 * or the past that a new binding asked for.
 *
 * One walk over the source feeds all logs. It waits for a log for a moment only: one that is slow, full
 * or failed falls behind, and is fed by a walk of its own until it has caught up.
 */
import { toError } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import { Bell } from '../core/bell.ts';
import type { Timer } from '../core/clock.ts';
import type { Log } from '../log/log.ts';
import { CatchUp } from './catch-up.ts';
import { letOff } from './let-off.ts';
import type { Outlet } from './outlet.ts';
import { Outlets } from './outlets.ts';
import { ProjectionMarks } from './projection-marks.ts';
import type { ProjectionParts } from './projection-parts.ts';
import { ProjectionPass } from './projection-pass.ts';
import { COMMON_STREAM } from './projection-state.ts';
import { RoutedWaiters } from './routed-waiters.ts';
import { SlowOutlets } from './slow-outlets.ts';
import { SourceWalk, type WalkEnd } from './source-walk.ts';
import { sayEnded } from './stream-end.ts';

/** After a failure of the source itself it is tried again after so long. */
const RESTART_MS = 5000;

export class Projection {
  readonly outlets: Outlets;
  readonly marks: ProjectionMarks;
  /** Of those who wait until a record is in all of its destinations. */
  readonly waiters: RoutedWaiters;
  /** Why the source cannot be read; null = it can. */
  failure: Error | null = null;
  readonly #parts: ProjectionParts;
  readonly #catchUp: CatchUp;
  /** Feeds all logs that are not behind. */
  #pass: ProjectionPass | null = null;
  readonly #walks = new Set<SourceWalk>();
  /** The one that feeds all logs that are not behind. */
  #mainWalk: SourceWalk | null = null;
  #running: Promise<void> | null = null;
  #resuming: Promise<void> | null = null;
  readonly #settled = new Bell();
  #isFinite: boolean;
  #isCut = false;
  /** Since the walk was begun: it may have ended before it saw what there is. */
  #isPoked = false;
  /** When nothing was left to be read the last time, or it was begun; ms since the Unix epoch. */
  caughtUpMs: number;
  /** Position of the walk when the clock looked the last time. */
  #lookedPosition = -1;
  readonly #slow = new SlowOutlets();
  #restart: Timer | null = null;
  #isClosed = false;

  constructor(parts: ProjectionParts) {
    this.#parts = parts;
    const { clock, newRoutes } = parts;
    this.caughtUpMs = clock.now();
    this.#isFinite = parts.beforeVersion !== null;
    this.waiters = new RoutedWaiters(this);
    this.marks = new ProjectionMarks({
      ...parts,
      positionNow: () => (this.#pass === null ? null : this.outlets.syncedPositionBy(this.#pass)),
      outlets: () => this.outlets,
      onLook: () => this.#look(),
    });
    this.outlets = new Outlets({
      ...parts,
      marks: this.marks,
      onSynced: ({ topicId }) => this.#moved(topicId),
      onMoved: () => this.#moved(),
      onBehind: (outlet, error) => this.#fellBehind(outlet, error),
      onRecovered: (outlet) => this.#recovered(outlet),
    });
    this.#catchUp = new CatchUp({
      clock,
      outlets: this.outlets,
      newRoutes,
      others: () => this.#pass,
      walk: (pass, to) => this.#walkTo(pass, to),
      onJoined: this.#settled.ring,
    });
  }

  /** Everything of the source below was handed to all logs that are not behind; null = not known yet. */
  get position(): number | null {
    return this.#pass?.position ?? null;
  }

  /** As `position`, or as the journal has it. */
  get knownPosition(): number {
    return this.position ?? this.marks.state?.position ?? 0;
  }

  /** The binding that is being backfilled; null = this is the common stream. */
  get bindingId(): number | null {
    const { stream } = this.#parts.stream;
    return stream === COMMON_STREAM ? null : stream;
  }

  /** Somebody waits for copies: none wait for more of them. */
  hurry(): void {
    for (const walk of this.#walks) walk.moved();
  }

  /** Whether a log is behind the others. */
  isBehind({ feeder }: Outlet): boolean {
    return feeder === null || feeder !== this.#pass;
  }

  /** There may be something to project. Cheap. */
  poke(): void {
    this.#isPoked = true;
    // After a failure the clock says when it is tried again.
    if (this.#running !== null || this.#isClosed || this.#restart !== null) return;
    if (!this.#isCut && this.#parts.mustWait()) return;
    if (this.failure === null) this.caughtUpMs = this.#parts.clock.now();
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#isPoked && this.failure === null) this.poke();
    });
  }

  /** Nothing is published any more: it ends when all is projected. */
  end(): void {
    this.#endFollowing();
    this.#isFinite = true;
    this.poke();
  }

  /** What is left of it is not wanted any more: it ends where it is. */
  cut(): void {
    this.#isCut = true;
    for (const walk of this.#walks) walk.close();
    this.#settled.ring();
    this.end();
  }

  /** Knows how far all logs are that a mark names. @throws when the source cannot be read */
  resume(): Promise<void> {
    this.#resuming ??= this.#resume();
    return this.#resuming;
  }

  /**
   * Lets a destination off what it has not got so far. What is published from here on it gets.
   *
   * @returns records that it will not get
   * @throws as `Log.batches`, `Journal.append`
   */
  async letOff(topicId: number): Promise<number> {
    await this.resume();
    return letOff(this, topicId, this.#parts).finally(() => {
      this.#moved();
      this.#catchUp.retryNow(topicId);
    });
  }

  /** A topic is gone: what was to go there goes nowhere. */
  forgetTopic(topicId: number): void {
    const gone = this.outlets.remove(topicId);
    for (const outlet of gone) {
      outlet.close();
      this.#catchUp.forget(outlet);
      this.marks.forget(outlet.logId);
    }
    this.#moved();
    if (gone.some(({ lastError }) => lastError !== null)) this.#parts.onChanged();
  }

  /** Stops. What is on its way comes to its end first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#restart?.cancel();
    const caughtUp = this.#catchUp.close(); // First: it would go on with a walk that is cut short.
    for (const walk of this.#walks) walk.close();
    this.#settled.ring();
    this.waiters.rejectAll(this.#parts.closedError());
    await this.#running;
    await caughtUp;
    await this.outlets.settled();
    await this.marks.write('os').catch(() => undefined); // The next opening looks for it, then.
    this.marks.close();
    for (const outlet of this.outlets) outlet.close();
  }

  async #run(): Promise<void> {
    try {
      await this.resume();
      this.#catchUp.poke();
      const isOver = await this.#parts.source.use((log) => this.#project(log));
      this.failure = null;
      if (isOver && !this.#isClosed) await this.#finish();
    } catch (error) {
      this.#failed(toError(error));
    }
  }

  /** @returns whether the stream has come to its end */
  async #project(log: Log<Uint8Array>): Promise<boolean> {
    const pass = present(this.#pass, 'it was resumed');
    do {
      this.#isPoked = false;
      if (this.#isFinite) return this.#projectRest(pass, log);
      if (pass.position < log.endOffset) await this.#walk(pass, log, null);
    } while ((this.#isPoked || this.#isFinite) && !this.#isClosed);
    return false;
  }

  /** Nothing is published any more that is the business of this stream. */
  async #projectRest(pass: ProjectionPass, log: Log<Uint8Array>): Promise<boolean> {
    await log.sync();
    const { endOffset } = log;
    while (pass.position < endOffset && !this.#isCut && !this.#isClosed) {
      const readable = Math.min(endOffset, log.durableOffset, log.visibleOffset);
      const to = pass.position < readable ? readable : null; // What a commit hides will be seen.
      if ((await this.#walk(pass, log, to)) === 'version') break;
    }
    return !this.#isClosed;
  }

  /** @param to  null = as far as it goes, and on from there until nothing came for a while */
  async #walk(pass: ProjectionPass, log: Log<Uint8Array>, to: number | null): Promise<WalkEnd> {
    const { clock, beforeVersion } = this.#parts;
    const range = to === null ? { follow: true, keepsAlive: false } : { to };
    const from = Math.max(pass.position, log.startOffset); // Of what damage took nothing is left.
    const source = log.source({ ...range, from, isDurable: true }, 'reused');
    const walk = new SourceWalk({
      clock,
      pass,
      source,
      outlets: this.outlets,
      ready: (outlet) => this.outlets.ready(outlet),
      hasMore: () => this.#hasMore(pass, log, to),
      mayGather: () => to === null && this.waiters.isEmpty,
      beforeVersion,
      onRead: (sizeBytes) => this.#read(pass, sizeBytes),
    });
    this.#walks.add(walk);
    if (pass === this.#pass) this.#mainWalk = walk;
    try {
      const end = await walk.run();
      // Nothing but gaps is left below.
      if (end === 'range' && to !== null) pass.position = Math.max(pass.position, to);
      return end;
    } finally {
      this.#walks.delete(walk);
      if (this.#mainWalk === walk) this.#mainWalk = null;
      source.close();
      this.#moved();
    }
  }

  #read(pass: ProjectionPass, sizeBytes: number): void {
    this.marks.moved(sizeBytes);
    this.#catchUp.moved();
    // What goes nowhere is there at once. Who catches up passes what is not for it, and nobody says so.
    if (pass === this.#pass) this.waiters.read();
    else this.waiters.look();
    if (this.failure === null) return;
    this.failure = null;
    this.#parts.onChanged();
  }

  #hasMore(pass: ProjectionPass, log: Log<Uint8Array>, to: number | null): boolean {
    const { visibleOffset, durableOffset } = log;
    if (pass.position < Math.min(to ?? visibleOffset, visibleOffset, durableOffset)) return true;
    if (pass === this.#pass) this.caughtUpMs = this.#parts.clock.now();
    return false;
  }

  #walkTo(pass: ProjectionPass, to: number): Promise<void> {
    return this.#parts.source.use(async (log) => void (await this.#walk(pass, log, to)));
  }

  /** Everything is handed over: waits until it is synced, and says so. */
  async #finish(): Promise<void> {
    const { clock, onEnded } = this.#parts;
    const isBusy = (): boolean =>
      [...this.outlets].some((outlet) => !outlet.isIdle || this.isBehind(outlet));
    while (isBusy() && !this.#isClosed && !this.#isCut) {
      this.#settled.silence();
      this.#catchUp.poke();
      if (!isBusy()) break;
      const wait = { clock, delayMs: null, signal: undefined, keepsAlive: false };
      await this.#settled.wait(wait);
    }
    if (this.#isClosed) return;
    if (this.#isCut) await this.#catchUp.close();
    await this.outlets.settled();
    const { outlets } = this;
    const isSaid = await sayEnded({ outlets, isCut: this.#isCut }, this.#parts);
    if (!isSaid) return this.#tryAgain();
    this.#isClosed = true;
    this.marks.close();
    await this.#catchUp.close(); // Of a log that is gone since, the next try may be due some day.
    this.waiters.look();
    for (const outlet of this.outlets) outlet.close();
    onEnded();
  }

  async #resume(): Promise<void> {
    const { state } = this.marks;
    if (state === null) return;
    const known = await this.outlets.resume();
    const position = Math.min(state.position, ...known.map((outlet) => outlet.position));
    const routes = this.#parts.newRoutes();
    const pass: ProjectionPass = new ProjectionPass(
      { routes, outletOf: (topicId, partition) => this.#outletOf(topicId, partition) },
      position,
    );
    for (const outlet of known) outlet.feeder = pass;
    this.#pass = pass;
  }

  #outletOf(topicId: number, partition: number): Outlet | null {
    const known = this.outlets.find(topicId, partition);
    if (known !== null) return known;
    const outlet = this.outlets.open(topicId, partition);
    if (outlet !== null) outlet.feeder = this.#pass;
    return outlet;
  }

  #recovered(outlet: Outlet): void {
    this.#catchUp.recovered(outlet);
    this.#parts.onChanged();
  }

  #fellBehind(outlet: Outlet, error: Error | null): void {
    this.#catchUp.fellBehind(outlet, error);
    this.#moved();
    this.#parts.onChanged();
  }

  /** Something is synced in a topic; null = a walk ended, or a log fell behind, is gone or can be fed. */
  #moved(topicId: number | null = null): void {
    this.hurry();
    this.#catchUp.moved();
    this.#settled.ring();
    if (topicId === null) this.waiters.look();
    else this.waiters.synced(topicId);
    if (!this.#isClosed) this.#catchUp.poke();
  }

  /** The clock's look: a walk that has had nothing to do for a while ends. */
  #look(): void {
    const { clock, onChanged } = this.#parts;
    if (this.#slow.look(this.outlets, clock.monotonic())) onChanged();
    const { position } = this;
    const areIdle = [...this.outlets].every((outlet) => outlet.isIdle || this.isBehind(outlet));
    const isQuiet = areIdle && position === this.#lookedPosition;
    this.#lookedPosition = position ?? -1;
    if (!isQuiet) return this.marks.moved(0);
    this.#endFollowing();
    this.#pass?.rest();
    if (this.bindingId === null) this.#forgetUnbound();
  }

  /** Ends a walk that waits for more; one that has an end goes on until there. */
  #endFollowing(): void {
    if (!this.#isFinite) this.#mainWalk?.close();
  }

  /** All is projected, and nothing leads to some topics any more: nothing need be known of them. */
  #forgetUnbound(): void {
    const { source, isBound } = this.#parts;
    if (this.knownPosition < (source.opened?.endOffset ?? 0)) return;
    for (const { topicId } of this.outlets) {
      const isLeft = this.outlets.of(topicId).some((outlet) => this.isBehind(outlet));
      if (!isLeft && !isBound(topicId)) this.forgetTopic(topicId);
    }
  }

  #failed(error: Error): void {
    const { onChanged } = this.#parts;
    // What stands in boxes is dropped; all else is where it was.
    for (const outlet of this.outlets) {
      if (outlet.hasBox && outlet.feeder === this.#pass) outlet.refuse(error);
    }
    if (this.#pass === null) this.#resuming = null;
    if (this.#isClosed) return;
    this.failure = error;
    onChanged();
    this.#tryAgain();
  }

  #tryAgain(): void {
    if (this.#isClosed) return;
    this.#restart ??= this.#parts.clock.setTimer(() => {
      this.#restart = null;
      this.poke();
    }, RESTART_MS);
  }
}
