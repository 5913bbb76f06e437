/**
 * What a worker process runs: a job is opened once, warmed up, then run once per round.
 *
 * One module in `jobs/` per kind of work, named after it, with one exported function `openJob`.
 */

/** JSON, because it travels to the worker process. */
export type JobParameters = Readonly<Record<string, string | number | boolean | null>>;

/** What one run did. */
export interface Sample {
  /** Bytes as stored. */
  readonly bytes: number;
  /** Records, or whatever the job counts one by one: calls, syncs, look-ups. */
  readonly records: number;
  /** Time of the measured part alone. */
  readonly ms: number;
  /** Further figures by name, such as `p99Us` or `rssBytes`. */
  readonly extra?: Readonly<Record<string, number>>;
}

/** What a figure depends on beside the parameters: versions of a peer, settings that it confirmed. */
export type JobFacts = Readonly<Record<string, string>>;

export interface Job {
  /** Known when the job is opened. Default: none. */
  readonly facts?: JobFacts;
  /**
   * One run. Prepares and cleans up outside of the measured time; leaves no dirty pages that
   * would slow down whoever runs next, so it deletes what it wrote unless it is read again.
   */
  run(): Promise<Sample>;
  close(): Promise<void>;
}

/** `directory` exists, is empty, and belongs to the job; it is removed after `close`. */
export type OpenJob<P extends JobParameters = JobParameters> = (
  directory: string,
  parameters: P,
) => Promise<Job>;

/** Thrown by `openJob` where the machine lacks what the job needs: a module, a compiler. No failure. */
export class UnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnavailableError';
  }
}

/** Parent to worker. */
export type WorkerRequest = { readonly kind: 'run' } | { readonly kind: 'close' };

/** Worker to parent; `ready` comes first, then one `sample` for each `run`. */
export type WorkerReply =
  | { readonly kind: 'ready'; readonly facts: JobFacts }
  | { readonly kind: 'sample'; readonly sample: Sample }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string; readonly isUnavailable: boolean };
