/** Carries out `varve compact`: of a log of its own, or of topics, whoever has their store open. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CorruptLogError, openLog, type Log, type TopicDescription } from '../src/index.ts';
import { isStoreError } from '../src/core/errors.ts';
import type { CompactionProgress } from '../src/log/compact-options.ts';
import {
  followCompaction,
  inWhole,
  planCompaction,
  startCompaction,
  stopCompaction,
  type CompactionAnswer,
} from '../src/store/compaction-verbs.ts';
import { listTopics } from '../src/store/control-verbs.ts';
import { failureOf } from '../src/store/failure-shape.ts';
import { OwnerError } from '../src/store/owner-error.ts';
import type { CommandContext } from './command.ts';
import { CommandError, UsageError } from './command-error.ts';
import { progressLine, type CompactedPartition } from './compaction-text.ts';
import { ExitCode } from './exit-codes.ts';
import { checkPartition } from './partition-offsets.ts';
import type { StatusLine } from './status-line.ts';
import {
  askForTopic,
  examineStore,
  NoOwnerError,
  OwnerGoneError,
  type StoreDesk,
} from './store-desk.ts';
import { formatBytes } from './units.ts';
import { workAtStore } from './work-desk.ts';

export interface CompactionWish {
  readonly isDryRun: boolean;
  /** Null = as fast as it goes. */
  readonly bytesPerSecondMax: number | null;
  /** Undefined = as the library has it. */
  readonly mapBytesMax: number | undefined;
}

/** What stands for the options that a log of its own has not stored. */
export interface LogWish extends CompactionWish {
  readonly compactionLagMsMin: number | undefined;
  readonly tombstoneRetentionMs: number | undefined;
}

export interface TopicWish extends CompactionWish {
  /** Undefined = all that are compacted. */
  readonly topic: string | undefined;
  /** Undefined = all. */
  readonly partition: number | undefined;
}

/** What became of it. */
export interface Compacted {
  /** Those that came to their end, or failed. */
  readonly partitions: readonly CompactedPartition[];
  /** Why it did not come to the end of all: a signal's reason, or that the owner closed the store; else null. */
  readonly stoppedBy: unknown;
}

/** Between two questions after a compaction that another process does, at most. */
const FOLLOW_MS_MAX = 500;
/** The same of one that this process does. */
const OWN_FOLLOW_MS_MAX = 100;
const FOLLOW_MS_MIN = 10;

/** @throws as `openLog`, but for damage; the signal's reason, when it is aborted before it begins */
export async function compactLog(
  context: CommandContext,
  path: string,
  wish: LogWish,
): Promise<Compacted> {
  context.signal.throwIfAborted();
  try {
    const log = await openToCompact(path, wish);
    try {
      return await compactOpen(context, log, wish);
    } finally {
      await log.close();
    }
  } catch (error) {
    if (error instanceof CorruptLogError) return { partitions: [failed(error)], stoppedBy: null };
    throw error;
  }
}

function openToCompact(
  path: string,
  { isDryRun, mapBytesMax, compactionLagMsMin, tombstoneRetentionMs }: LogWish,
): Promise<Log<Uint8Array>> {
  return openLog(path, {
    compactionLagMsMin,
    tombstoneRetentionMs,
    compactionMapBytesMax: mapBytesMax,
    compaction: 'key',
    create: false,
    readOnly: isDryRun,
    onCorruption: 'fail',
  });
}

async function compactOpen(
  context: CommandContext,
  log: Log<Uint8Array>,
  { isDryRun, bytesPerSecondMax }: LogWish,
): Promise<Compacted> {
  const { signal } = context;
  const line = context.statusLine();
  let freedBytes = 0;
  const onProgress = (progress: CompactionProgress): void => {
    ({ freedBytes } = progress);
    const { isTerminal } = line;
    line.update(() => progressLine(progress, { name: null, isPlan: isDryRun, isTerminal }));
  };
  const options = { signal, bytesPerSecondMax, onProgress };
  try {
    const result = await (isDryRun ? log.planCompaction(options) : log.compact(options));
    const done = { topic: null, partition: 0, result: inWhole(result), error: null };
    return { partitions: [done], stoppedBy: null };
  } catch (error) {
    line.end();
    if (!signal.aborted) return { partitions: [failed(error)], stoppedBy: null };
    sayStopped(context, isDryRun, freedBytes);
    return { partitions: [], stoppedBy: signal.reason };
  } finally {
    line.end();
  }
}

function failed(error: unknown): CompactedPartition {
  return { topic: null, partition: 0, result: null, error: failureOf(error) };
}

/** @throws CommandError, UsageError; the signal's reason, when it is aborted before it begins */
export function compactTopics(
  context: CommandContext,
  path: string,
  wish: TopicWish,
): Promise<Compacted> {
  const { isDryRun, mapBytesMax: compactionMapBytesMax } = wish;
  const work = (desk: StoreDesk) => new TopicsJob(context, desk, wish).run(path);
  // What was asked of the owner is ended there, and not forgotten here.
  const patience = new AbortController().signal;
  return isDryRun
    ? examineStore(context, path, work, patience)
    : workAtStore(context, path, work, { compactionMapBytesMax });
}

class TopicsJob {
  readonly #context: CommandContext;
  readonly #desk: StoreDesk;
  readonly #wish: TopicWish;
  readonly #line: StatusLine;
  readonly #done: CompactedPartition[] = [];

  constructor(context: CommandContext, desk: StoreDesk, wish: TopicWish) {
    this.#context = context;
    this.#desk = desk;
    this.#wish = wish;
    this.#line = context.statusLine();
  }

  async run(path: string): Promise<Compacted> {
    const { signal } = this.#context;
    this.#checkMap();
    for (const { name } of await topicsToCompact(this.#desk, path, this.#wish)) {
      const stoppedBy = signal.aborted ? this.#stopped(0) : await this.#runOn(name);
      if (stoppedBy !== null) return { partitions: this.#done, stoppedBy };
    }
    return { partitions: this.#done, stoppedBy: null };
  }

  /** That of the process that has the store open was chosen when it opened it. */
  #checkMap(): void {
    if (!this.#desk.isOwner || this.#wish.mapBytesMax === undefined) return;
    throw new UsageError(
      '--map is for a store that nobody has open',
      'the process that has it open says how much: openStore({ compactionMapBytesMax })',
    );
  }

  /** @returns why it was stopped; null = it was not */
  async #runOn(topic: string): Promise<unknown> {
    const { isDryRun, partition = null, bytesPerSecondMax } = this.#wish;
    const verb = isDryRun ? planCompaction : startCompaction;
    try {
      const id = await this.#desk.ask(verb, { topic, partition, bytesPerSecondMax });
      const run = await this.#follow(id);
      this.#done.push(...run.partitions.map((one) => ({ topic, ...one })));
      return run.isStopped ? this.#stopped(run.progress?.freedBytes ?? 0) : null;
    } catch (error) {
      if (isGone(error)) return ownerGone(isDryRun);
      if (error instanceof OwnerGoneError) return error;
      throw error;
    } finally {
      this.#line.end();
    }
  }

  /** Until it has ended: that it is wanted to end is said to whoever does it. */
  async #follow(id: number): Promise<CompactionAnswer> {
    const { signal } = this.#context;
    const delayMsMax = this.#desk.isOwner ? FOLLOW_MS_MAX : OWN_FOLLOW_MS_MAX;
    let isStopping = false;
    for (let delayMs = FOLLOW_MS_MIN; ; delayMs = Math.min(2 * delayMs, delayMsMax)) {
      const run = await this.#desk.ask(followCompaction, { id });
      if (run.partition === null) return run;
      this.#show(run);
      if (signal.aborted && !isStopping) {
        isStopping = true;
        await this.#desk.ask(stopCompaction, { id });
        delayMs = FOLLOW_MS_MIN;
      }
      await sleep(delayMs, undefined, isStopping ? {} : { signal }).catch(() => undefined);
    }
  }

  #show({ topic, partition, progress }: CompactionAnswer): void {
    if (progress === null) return;
    const { isTerminal } = this.#line;
    const { isDryRun: isPlan } = this.#wish;
    const name = `${topic}/${partition}`;
    this.#line.update(() => progressLine(progress, { name, isPlan, isTerminal }));
  }

  /** @param freedBytes  by the partition that it was at @returns why */
  #stopped(freedBytes: number): unknown {
    const { signal } = this.#context;
    const { isDryRun } = this.#wish;
    this.#line.end();
    const freed = this.#done.map(({ result }) =>
      result === null ? 0 : result.bytesBefore - result.bytesAfter,
    );
    sayStopped(
      this.#context,
      isDryRun,
      freed.reduce((sum, one) => sum + one, freedBytes),
    );
    return signal.aborted ? signal.reason : ownerGone(isDryRun); // It closes the store.
  }
}

/** @throws CommandError when there is no such topic, or it is not compacted; UsageError */
async function topicsToCompact(
  desk: StoreDesk,
  path: string,
  { topic, partition }: TopicWish,
): Promise<readonly TopicDescription[]> {
  if (topic === undefined) {
    const all = await desk.ask(listTopics, {});
    return all.filter(({ options }) => options.compaction !== 'off');
  }
  const described = await askForTopic(desk, path, topic);
  const { partitionCount, options } = described;
  if (partition !== undefined) checkPartition(partition, { topic, partitionCount });
  if (options.compaction !== 'off') return [described];
  throw new CommandError(
    ExitCode.failure,
    `topic ${topic} is not compacted: it keeps all of its records`,
    `varve topics alter ${path} ${topic} --compaction key --yes has it keep the last one of each key`,
  );
}

function sayStopped(context: CommandContext, isDryRun: boolean, freedBytes: number): void {
  if (isDryRun) return; // Nothing is left of it.
  const freed = `freed ${formatBytes(Math.max(0, freedBytes))} so far`;
  context.note(`stopped: what was rewritten stays, ${freed}; run it again to go on`);
}

/** Nobody knows the compaction any more. */
function isGone(error: unknown): boolean {
  if (error instanceof NoOwnerError) return true;
  const code = error instanceof OwnerError ? error.code : null;
  const isUnknown = code === 'ERR_VARVE_NOT_FOUND' || isStoreError(error, 'ERR_VARVE_NOT_FOUND');
  return isUnknown && error instanceof Error && error.message.includes('no compaction');
}

function ownerGone(isDryRun: boolean): CommandError {
  return new CommandError(
    ExitCode.failure,
    'the process that has the store open closed it before this was done',
    isDryRun ? 'run it again' : 'what was rewritten stays: run it again to go on',
  );
}
