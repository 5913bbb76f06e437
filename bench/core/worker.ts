/** Runs one job, at its parent's word: `node worker.js <job> <directory> <parameters> <warm bytes>`. */
import {
  UnavailableError,
  type Job,
  type JobParameters,
  type OpenJob,
  type WorkerReply,
  type WorkerRequest,
} from './job.ts';
import { warmMemory } from './warm-memory.ts';

const [, , job = '', directory = '', parameters = '{}', warmBytes = '0'] = process.argv;

/** Whatever fails, the parent hears why before the process ends. */
async function answer(action: () => Promise<WorkerReply>): Promise<void> {
  let reply: WorkerReply;
  try {
    reply = await action();
  } catch (error) {
    reply = failureOf(error);
  }
  await new Promise((resolve) => process.send?.(reply, resolve));
  if (reply.kind === 'failed' || reply.kind === 'closed') process.disconnect();
}

function failureOf(error: unknown): WorkerReply {
  if (error instanceof UnavailableError) {
    return { kind: 'failed', message: error.message, isUnavailable: true };
  }
  const message = error instanceof Error ? String(error.stack) : String(error);
  return { kind: 'failed', message, isUnavailable: false };
}

let opened: Job | null = null;

await answer(async () => {
  const module = (await import(new URL(job, import.meta.url).href)) as { openJob: OpenJob };
  opened = await module.openJob(directory, JSON.parse(parameters) as JobParameters);
  return { kind: 'ready', facts: opened.facts ?? {} };
});

process.on('message', ({ kind }: WorkerRequest) => {
  void answer(async () => {
    if (opened === null) throw new Error('the job is not open');
    if (kind === 'run') {
      warmMemory(directory, Number(warmBytes));
      return { kind: 'sample', sample: await opened.run() };
    }
    await opened.close();
    return { kind: 'closed' };
  });
});
