/** The parent's handle on a worker process. */
import { fork, type ChildProcess } from 'node:child_process';
import type { Sample, WorkerReply, WorkerRequest } from './job.ts';
import { WARM_BYTES, type Side } from './contest.ts';

const WORKER = new URL('./worker.js', import.meta.url);

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #replies: WorkerReply[] = [];
  #waiting: ((reply: WorkerReply) => void) | null = null;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (reply: WorkerReply) => this.#take(reply));
    child.on('exit', (code, signal) => {
      this.#take({ kind: 'failed', message: `the worker ended: ${signal ?? `exit code ${code}`}` });
    });
  }

  /** Starts the process and opens the job. @throws Error with what the job threw */
  static async start(side: Side, directory: string): Promise<WorkerProcess> {
    const url = side.job.startsWith('file:')
      ? side.job
      : new URL(`../jobs/${side.job}.js`, import.meta.url).href;
    const child = fork(
      WORKER,
      [url, directory, JSON.stringify(side.parameters), String(side.warmBytes ?? WARM_BYTES)],
      {
        execArgv: [...(side.nodeFlags ?? [])],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    );
    const worker = new WorkerProcess(child);
    await worker.#expect('ready');
    return worker;
  }

  /** One run of the job. @throws Error with what the job threw */
  async run(): Promise<Sample> {
    this.#send({ kind: 'run' });
    return (await this.#expect('sample')).sample;
  }

  /** Ends the process, whatever state it is in. */
  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.connected) this.#send({ kind: 'close' });
    else this.#child.kill('SIGKILL');
    await ended;
  }

  #send(request: WorkerRequest): void {
    this.#child.send(request);
  }

  async #expect<K extends WorkerReply['kind']>(
    kind: K,
  ): Promise<Extract<WorkerReply, { kind: K }>> {
    const reply = await this.#next();
    if (reply.kind === kind) return reply as Extract<WorkerReply, { kind: K }>;
    throw new Error(reply.kind === 'failed' ? reply.message : `unexpected reply ${reply.kind}`);
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
