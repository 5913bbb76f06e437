/** One partition of a topic: a log of its own, opened when it is used, closed when others need room. */
import { join } from 'node:path';
import { bytes } from '../codec/codec.ts';
import type { Log } from '../log/log.ts';
import type { LogHome } from '../log/log-home.ts';
import { openLogIn, openStill } from '../log/open-log.ts';
import { resolveLogOptions, type LogSettings } from '../log/log-options.ts';
import { LogReplacement } from '../log/log-replacement.ts';
import type { Closable } from './open-partitions.ts';
import type { TopicHome } from './topic-home.ts';
import { configOf, logConfigOf } from './topic-options.ts';
import { RewriteGate } from './rewrite-gate.ts';
import type { TopicSettings } from './topic-state.ts';
import { ConflictError, CorruptLogError, isIoError, type ClosedError } from '../core/errors.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { quarantineBytes } from '../log/quarantine.ts';
import { LogReporter } from './log-reporter.ts';
import { WeakList } from '../core/weak-list.ts';

export interface PartitionParts {
  readonly home: TopicHome;
  readonly topicId: number;
  /** Name of the topic. */
  readonly topic: string;
  /** Directory of the topic. */
  readonly directory: string;
  /** From 0. */
  readonly number: number;
  /** Of the log that belongs here; null while it is being made. */
  readonly logId: number | null;
  /** Those of the topic, when it is asked. */
  readonly settings: () => TopicSettings;
  /** What callers are told when it is closed for good. */
  readonly closedError: () => ClosedError;
  /** Another log took the place of its own. */
  readonly onReplaced: () => void;
}

/** How much there is of a log. */
export interface LogExtent {
  readonly sizeBytes: number;
  readonly segmentCount: number;
}

/** What another log needs to take the place of this one. */
export interface PartitionPlace {
  readonly path: string;
  readonly logId: number;
  /** Nothing goes by itself from a log that is being made. */
  readonly settings: LogSettings<Uint8Array>;
  readonly home: LogHome;
  /** Offsets below this were named in the journal. */
  readonly namedOffset: number;
  /** Whether the journal has records that the log may not have: of commits. */
  readonly hasCommits: boolean;
}

/** Who keeps something of the open log. */
export interface LogUser {
  /** The log of the partition is being closed: drops what is kept of it. */
  forget(partition: number): void;
}

export class Partition implements Closable {
  /** From 0. */
  readonly number: number;
  /** The log when it is open, and null before: hot paths need not wait for `log`. */
  opened: Log<Uint8Array> | null = null;
  /** Whether another log is being made to take its place: what lies about is not for openings to mend. */
  isBeingReplaced = false;
  /** For whatever puts other segments in the place of those that are there. */
  readonly rewriting: RewriteGate;
  readonly #parts: PartitionParts;
  /** Of the log that is open: changed in place by `configure`. */
  #live: LogSettings<Uint8Array> | null = null;
  #opening: Promise<Log<Uint8Array>> | null = null;
  /** The last closing to make room; never rejects. */
  #making: Promise<void> = Promise.resolve();
  readonly #keepers = new WeakList<LogUser>();
  /** When nobody had it open. */
  #extent: LogExtent | null = null;
  #userCount = 0;
  #endedUses = 0;
  #isClosed = false;

  constructor(parts: PartitionParts) {
    this.#parts = parts;
    this.number = parts.number;
    this.rewriting = new RewriteGate(`${parts.topic}/${parts.number}`);
  }

  /** Name of its topic. */
  get topic(): string {
    return this.#parts.topic;
  }

  /** Of the log that belongs here; null while it is being made. */
  get logId(): number | null {
    return this.#parts.logId;
  }

  get path(): string {
    return join(this.#parts.directory, String(this.number));
  }

  get useCount(): number {
    return this.#endedUses + (this.opened?.life.useCount ?? 0);
  }

  get isIdle(): boolean {
    return this.#userCount === 0 && this.opened?.life.isQuiet === true;
  }

  get fileCount(): number {
    return this.opened?.life.fileCount ?? 0;
  }

  /** Of the log now, or when it was open the last time; null = not known yet. */
  get extent(): LogExtent | null {
    return this.opened?.stats() ?? this.#extent;
  }

  /** Whether something of it may go by itself. */
  get hasRetention(): boolean {
    const { retentionMs, retentionBytes } = this.#parts.settings();
    return retentionMs !== null || retentionBytes !== null;
  }

  get isCompacted(): boolean {
    return this.#parts.settings().compaction === 'key';
  }

  /** As the option of the topic. */
  get compactionLagMsMax(): number | null {
    return this.#parts.settings().compactionLagMsMax;
  }

  /** Looks at its files, for `extent`; none when they are not there. @throws IoError */
  async measure(): Promise<void> {
    const { fileSystem } = this.#resolve(this.#parts.settings());
    try {
      const { segments } = await new LogDirectory(fileSystem, this.path).list();
      const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
      this.#extent = { sizeBytes, segmentCount: segments.length };
    } catch (error) {
      if (!isIoError(error, 'ENOENT')) throw error;
      this.#extent = { sizeBytes: 0, segmentCount: 0 }; // Opening it says that it is missing.
    }
  }

  /**
   * Runs `action` on the open log, which stays open until it ends.
   *
   * @throws as `log`, as `action`
   */
  async use<R>(action: (log: Log<Uint8Array>) => Promise<R>): Promise<R> {
    const release = this.hold();
    try {
      return await action(await this.log());
    } finally {
      release();
    }
  }

  /** Keeps the log open, once it is. @returns lets go; call it once */
  hold(): () => void {
    this.keep();
    return () => this.letGo();
  }

  /** As `hold`; to be ended by `letGo`, once. */
  keep(): void {
    this.#userCount++;
  }

  letGo(): void {
    this.#userCount--;
    this.#endedUses++;
    this.#parts.home.openPartitions.released(this);
  }

  /**
   * Opens the log, once. Who does not `hold` the partition finds it closed one day.
   *
   * @throws as `openLog`; CorruptLogError when another log is in its place; ClosedError
   */
  log(): Promise<Log<Uint8Array>> {
    if (this.#isClosed && this.#opening === null) return Promise.reject(this.#parts.closedError());
    this.#opening ??= this.#openAfter(this.#making);
    return this.#opening;
  }

  /** Makes durable what was appended, whether it is open or being closed. @throws as `Log.sync` */
  async sync(): Promise<void> {
    await this.#making;
    await this.opened?.sync();
  }

  /** Changes the options of the log while it is open; each says itself from when on it counts. */
  configure(settings: TopicSettings): void {
    if (this.#live !== null) Object.assign(this.#live, this.#resolve(settings));
    this.opened?.reconfigured();
  }

  /** Tells `user` when the log that is open now is closed to make room. */
  watch(user: LogUser): void {
    this.#keepers.add(user);
  }

  dropFiles(): void {
    this.opened?.life.dropFiles();
  }

  async closeIdle(): Promise<void> {
    const log = this.opened;
    if (log === null) return;
    try {
      // First, for a failure to be found while the log is open: such a one stays, and says so.
      if (!log.readOnly && log.syncedOffset < log.endOffset) await log.sync();
      // Nobody looks at retention while it is closed.
      const mayShrink = this.hasRetention && (this.extent?.segmentCount ?? 0) > 1;
      if (!log.readOnly && mayShrink) await log.retain().catch(() => undefined);
    } catch {
      return;
    }
    if (!this.isIdle || log !== this.opened) return; // Somebody came meanwhile.
    // Its next opening need not look for them in the journal.
    if (!log.readOnly) this.#parts.home.journal.ledger.synced(log.logId, log.syncedOffset);
    this.#forget();
    this.#making = log.close().catch(() => undefined); // Everything is synced: nothing is lost.
    await this.#making;
  }

  /**
   * Runs `action` while the log is closed, for its files to be replaced. Who comes meanwhile waits.
   *
   * @param action  gets the end offset; null = the log was not open
   * @throws ConflictError while somebody uses it; ClosedError; as `Log.close`, as `action`
   */
  async whileClosed<R>(action: (endOffset: number | null) => Promise<R>): Promise<R> {
    await this.#making;
    if (this.#isClosed) throw this.#parts.closedError();
    const log = this.opened;
    const isUsed = log === null ? this.#opening !== null || this.#userCount > 0 : !this.isIdle;
    if (isUsed) {
      const name = `${this.#parts.topic}/${this.number}`;
      throw new ConflictError({ kind: 'partition', name, stored: 'in use', requested: 'replaced' });
    }
    const close = async (): Promise<R> => {
      await log?.close();
      const result = await action(log?.endOffset ?? null);
      this.#reporter().replaced();
      this.#parts.onReplaced();
      return result;
    };
    if (log !== null) this.#forget();
    const closed = close();
    this.#making = closed.then(
      () => undefined,
      () => undefined,
    );
    return closed;
  }

  /** What is there, for reading, damaged or not: nobody writes to it now. @throws as `openStill` */
  openStill(): Promise<Log<Uint8Array>> {
    const { path, settings, home } = this.place();
    return openStill(path, settings, home);
  }

  /** @throws ClosedError while it is being made */
  place(): PartitionPlace {
    const { home, settings, logId, topicId } = this.#parts;
    if (logId === null) throw this.#parts.closedError();
    const own = { logId, journaled: null, events: null, topologyVersion: null, trimGuard: null };
    const resolved = this.#resolve(settings());
    return {
      path: this.path,
      logId,
      settings: { ...resolved, retentionMs: null, retentionBytes: null },
      home: { ...home.logHome, ...own },
      namedOffset: home.namedOffset(topicId, this.number),
      hasCommits: home.journal.ledger.of(logId).length > 0,
    };
  }

  /** Closes the log, if it was opened, for good: its files may go. @throws as `Log.close` */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#making;
    const log = await this.#opening?.catch(() => null); // Who opened it was told.
    this.#parts.home.openPartitions.remove(this); // Not before it is open: it would be counted then.
    this.#reporter().gone();
    await log?.close();
  }

  #forget(): void {
    for (const user of this.#keepers.take()) user.forget(this.number);
    this.#extent = this.extent;
    this.#reporter().closed();
    this.opened = null;
    this.#live = null;
    this.#opening = null;
    this.#parts.home.openPartitions.remove(this);
  }

  async #openAfter(making: Promise<void>): Promise<Log<Uint8Array>> {
    await making;
    return this.#parts.home.openPartitions.admit(this, () => this.#open());
  }

  async #open(): Promise<Log<Uint8Array>> {
    const { home, settings, logId, topicId } = this.#parts;
    this.#live = { ...this.#resolve(settings()) };
    const reporter = this.#reporter();
    reporter.onRolled = () => home.onSealed(this);
    try {
      const journaled =
        logId === null ? null : home.journal.tailOf(logId, home.namedOffset(topicId, this.number));
      const topologyVersion = home.topologyVersionOf(topicId);
      const trimGuard = logId === null ? null : home.trimGuardOf(topicId, this.number, logId);
      const own = { logId, journaled, events: reporter, topologyVersion, trimGuard };
      const place = { ...home.logHome, ...own };
      const { fileSystem, readOnly } = this.#live;
      const isMending = !readOnly && !this.isBeingReplaced;
      if (isMending) await new LogReplacement(fileSystem, this.path).finish();
      const log = await openLogIn(this.path, this.#live, place);
      if (logId !== null && log.logId !== logId) {
        await log.close();
        throw new CorruptLogError(foreignLog(this.path, { found: log.logId, expected: logId }));
      }
      if (home.logOptions.readOnly !== true) reporter.opened(log, await this.#quarantineBytes());
      this.opened = log;
      return log;
    } catch (error) {
      this.#opening = null; // What failed may be tried again.
      reporter.refused(error);
      throw error;
    }
  }

  #reporter(): LogReporter {
    const { home, topic } = this.#parts;
    return new LogReporter({ topic, partition: this.number }, home.signals);
  }

  /** Worth a warning, and no failure: none when it cannot be told. */
  #quarantineBytes(): Promise<number> {
    const { fileSystem } = this.#resolve(this.#parts.settings());
    return quarantineBytes(new LogDirectory(fileSystem, this.path)).catch(() => 0);
  }

  #resolve(settings: TopicSettings): LogSettings<Uint8Array> {
    const { home, logId } = this.#parts;
    const create = logId === null;
    const config = logConfigOf(configOf(settings));
    return resolveLogOptions({ ...config, ...home.logOptions, codec: bytes, create });
  }
}

function foreignLog(path: string, ids: { readonly found: number; readonly expected: number }) {
  const { found, expected } = ids;
  return {
    file: path,
    position: 0,
    kind: 'header' as const,
    firstOffset: null,
    nextOffset: null,
    reason: `the journal knows log ${expected} here, found ${found}: a copy, or another topic's`,
  };
}
