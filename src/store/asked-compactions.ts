/**
 * Compactions that other processes ask for: each begins when it is asked for, and goes on whether anybody asks
 * how far it is or not. In memory: who closes the store ends them.
 */
import { ClosedError, NotFoundError } from '../core/errors.ts';
import { COMPACTIONS_KEPT_MAX } from '../core/limits.ts';
import { randomBelow, type Random } from '../core/random.ts';
import type {
  CompactionPlan,
  CompactionProgress,
  CompactionResult,
  CompactOptions,
} from '../log/compact-options.ts';

/** What is asked for, of partitions of one topic, one after the other. */
export interface CompactionRequest {
  readonly topic: string;
  readonly partitions: readonly number[];
  /** Compacts one of them, or plans that. */
  readonly compact: (
    partition: number,
    options: Pick<CompactOptions, 'signal' | 'onProgress'>,
  ) => Promise<CompactionPlan | CompactionResult>;
}

/** What became of a partition. */
export interface AskedPartition {
  readonly partition: number;
  /** Null when it failed. */
  readonly result: CompactionPlan | CompactionResult | null;
  /** Null when it did not. */
  readonly error: unknown;
}

/** One of them. */
export class AskedCompaction {
  readonly id: number;
  readonly topic: string;
  /** Of those that are done. */
  readonly partitions: AskedPartition[] = [];
  /** The one that it is at; null = it has ended. */
  partition: number | null;
  /** Of that one; null = it waits its turn. */
  progress: CompactionProgress | null = null;
  readonly #request: CompactionRequest;
  readonly #ending = new AbortController();
  /** Never rejects. */
  readonly #running: Promise<void>;

  constructor(id: number, request: CompactionRequest) {
    this.id = id;
    this.topic = request.topic;
    this.partition = request.partitions[0] ?? null;
    this.#request = request;
    this.#running = this.#run();
  }

  /** Whether it was ended before it was done. */
  get isStopped(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Ends it between two segments, without waiting for that. */
  stop(reason: Error): void {
    if (this.partition !== null) this.#ending.abort(reason);
  }

  /** Resolves when it has ended. */
  ended(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    const { partitions, compact } = this.#request;
    const { signal } = this.#ending;
    for (const partition of partitions) {
      this.partition = partition;
      this.progress = null;
      const onProgress = (progress: CompactionProgress): void => void (this.progress = progress);
      try {
        const result = await compact(partition, { signal, onProgress });
        this.partitions.push({ partition, result, error: null });
      } catch (error) {
        if (signal.aborted) break;
        this.partitions.push({ partition, result: null, error });
      }
    }
    this.partition = null;
  }
}

/** Far from where numbers cease to be exact. */
const FIRST_ID_MAX = 2 ** 52;

export class AskedCompactions {
  readonly #path: string;
  readonly #runs = new Map<number, AskedCompaction>();
  #nextId: number;
  #isClosed = false;

  /** @param path  of the store */
  constructor(path: string, random: Random) {
    this.#path = path;
    // The next owner of the store begins elsewhere, whatever its clock says.
    this.#nextId = 1 + randomBelow(random, FIRST_ID_MAX);
  }

  /** @returns its id @throws ClosedError */
  start(request: CompactionRequest): number {
    if (this.#isClosed) throw this.#closedError();
    const id = this.#nextId++;
    this.#runs.set(id, new AskedCompaction(id, request));
    const ended = [...this.#runs.values()].filter(({ partition }) => partition === null);
    for (const run of ended.slice(0, -COMPACTIONS_KEPT_MAX)) this.#runs.delete(run.id);
    return id;
  }

  /** @throws NotFoundError for one that is not, or not any more */
  at(id: number): AskedCompaction {
    const run = this.#runs.get(id);
    if (run === undefined) throw new NotFoundError({ kind: 'compaction', name: String(id) });
    return run;
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const error = this.#closedError();
    const runs = [...this.#runs.values()];
    for (const run of runs) run.stop(error);
    await Promise.all(runs.map((run) => run.ended()));
  }

  #closedError(): ClosedError {
    return new ClosedError({ resource: 'store', name: this.#path });
  }
}
