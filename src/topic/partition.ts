/** One partition of a topic: a log of its own, opened when it is first used. */
import { join } from 'node:path';
import { bytes } from '../codec/codec.ts';
import type { Log } from '../log/log.ts';
import { openLogIn } from '../log/open-log.ts';
import { resolveLogOptions, type LogSettings } from '../log/log-options.ts';
import type { TopicHome } from './topic-home.ts';
import { configOf } from './topic-options.ts';
import type { TopicSettings } from './topic-state.ts';
import { CorruptLogError } from '../core/errors.ts';

export interface PartitionParts {
  readonly home: TopicHome;
  readonly topicId: number;
  /** Directory of the topic. */
  readonly directory: string;
  /** From 0. */
  readonly number: number;
  /** Of the log that belongs here; null while it is being made. */
  readonly logId: number | null;
  /** Those of the topic, when it is asked. */
  readonly settings: () => TopicSettings;
}

export class Partition {
  /** From 0. */
  readonly number: number;
  /** The log when it is open, and null before: hot paths need not wait for `log`. */
  opened: Log<Uint8Array> | null = null;
  readonly #parts: PartitionParts;
  /** Of the log that is open: changed in place by `configure`. */
  #live: LogSettings<Uint8Array> | null = null;
  #opening: Promise<Log<Uint8Array>> | null = null;

  constructor(parts: PartitionParts) {
    this.#parts = parts;
    this.number = parts.number;
  }

  get path(): string {
    return join(this.#parts.directory, String(this.number));
  }

  /** Opens the log, once. @throws as `openLog`; CorruptLogError when another log is in its place */
  log(): Promise<Log<Uint8Array>> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Changes the options of the log while it is open; each says itself from when on it counts. */
  configure(settings: TopicSettings): void {
    if (this.#live !== null) Object.assign(this.#live, this.#resolve(settings));
    this.opened?.reconfigured();
  }

  /** Closes the log, if it was opened. @throws as `Log.close` */
  async close(): Promise<void> {
    const opening = this.#opening;
    if (opening === null) return;
    const log = await opening.catch(() => null); // Who opened it was told.
    await log?.close();
  }

  async #open(): Promise<Log<Uint8Array>> {
    const { home, settings, logId, topicId } = this.#parts;
    this.#live = { ...this.#resolve(settings()) };
    try {
      const journaled =
        logId === null ? null : home.journal.tailOf(logId, home.namedOffset(topicId, this.number));
      const log = await openLogIn(this.path, this.#live, { ...home.logHome, logId, journaled });
      if (logId !== null && log.logId !== logId) {
        await log.close();
        throw new CorruptLogError(foreignLog(this.path, { found: log.logId, expected: logId }));
      }
      this.opened = log;
      return log;
    } catch (error) {
      this.#opening = null; // What failed may be tried again.
      throw error;
    }
  }

  #resolve(settings: TopicSettings): LogSettings<Uint8Array> {
    const { home, logId } = this.#parts;
    const create = logId === null;
    return resolveLogOptions({ ...configOf(settings), ...home.logOptions, codec: bytes, create });
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
