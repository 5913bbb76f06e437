/** The parent's handle on a worker process. */
import { fork, type ChildProcess } from 'node:child_process';
import { WARM_BYTES, type Side } from './contest.ts';
import {
  UnavailableError,
  type JobFacts,
  type Sample,
  type WorkerReply,
  type WorkerRequest,
} from './job.ts';

const WORKER = new URL('./worker.js', import.meta.url);

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #replies: WorkerReply[] = [];
  #waiting: ((reply: WorkerReply) => void) | null = null;
  #facts: JobFacts = {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (reply: WorkerReply) => this.#take(reply));
    child.on('error', () => {}); // That it was aborted; its exit follows.
    child.on('exit', (code, signal) => {
      const message = `the worker ended: ${signal ?? `exit code ${code}`}`;
      this.#take({ kind: 'failed', message, isUnavailable: false });
    });
  }

  /**
   * Starts the process, which lives no longer than until `signal` fires, and opens the job.
   *
   * @throws UnavailableError; Error with what the job threw
   */
  static async start(
    side: Side,
    { directory, signal }: { readonly directory: string; readonly signal: AbortSignal },
  ): Promise<WorkerProcess> {
    const url = side.job.startsWith('file:')
      ? side.job
      : new URL(`../jobs/${side.job}.js`, import.meta.url).href;
    const warmBytes = String(side.warmBytes ?? WARM_BYTES);
    const child = fork(WORKER, [url, directory, JSON.stringify(side.parameters), warmBytes], {
      execArgv: [...(side.nodeFlags ?? [])],
      stdio: ['ignore', 2, 2, 'ipc'], // Standard output belongs to the results.
      signal,
      killSignal: 'SIGKILL',
    });
    const worker = new WorkerProcess(child);
    try {
      worker.#facts = (await worker.#expect('ready')).facts;
    } catch (error) {
      await worker.kill();
      throw error;
    }
    return worker;
  }

  /** What the job said about itself. */
  get facts(): JobFacts {
    return this.#facts;
  }

  /** One run of the job. @throws Error with what the job threw */
  async run(): Promise<Sample> {
    this.#send({ kind: 'run' });
    return (await this.#expect('sample')).sample;
  }

  /** Lets the job close, and waits for the end of the process. */
  async close(): Promise<void> {
    if (!this.#child.connected) return this.kill();
    const ended = this.#ended();
    this.#send({ kind: 'close' });
    await ended;
  }

  /** Ends the process, whatever state it is in. */
  async kill(): Promise<void> {
    const ended = this.#ended();
    this.#child.kill('SIGKILL');
    await ended;
  }

  #ended(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => this.#child.once('exit', () => resolve()));
  }

  #send(request: WorkerRequest): void {
    this.#child.send(request, () => {}); // One that ended meanwhile says so by its exit.
  }

  async #expect<K extends WorkerReply['kind']>(
    kind: K,
  ): Promise<Extract<WorkerReply, { kind: K }>> {
    const reply = await this.#next();
    if (reply.kind === kind) return reply as Extract<WorkerReply, { kind: K }>;
    if (reply.kind !== 'failed') throw new Error(`unexpected reply ${reply.kind}`);
    throw reply.isUnavailable ? new UnavailableError(reply.message) : new Error(reply.message);
  }

  #next(): Promise<WorkerReply> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #take(reply: WorkerReply): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#replies.push(reply);
    else waiting(reply);
  }
}
