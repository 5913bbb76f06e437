/** Starts a `power-writer` and listens to it until it dies. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { WriterPlan } from './writer-plan.ts';

export interface DoomedWriter {
  readonly process: ChildProcess;
  /** Resolves at the first acknowledgement at any level, or when the process ends without one. */
  readonly firstAck: Promise<void>;
  /** All that it said, once it is dead. @throws Error when it ended by a mistake of its own */
  readonly lastWords: Promise<string>;
}

/**
 * @param script       `power-writer.js` of dist
 * @param environment  beside PATH and HOME; nothing else is passed on, so io_uring stays off
 */
export function startWriter(
  script: string,
  plan: WriterPlan,
  environment: Readonly<Record<string, string>> = {},
): DoomedWriter {
  if (!existsSync(script)) throw new Error(`no ${script}: npm run build comes first`);
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [script, JSON.stringify(plan)], {
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let complaints = '';
  const firstAck = new Promise<void>((resolve) => {
    child.on('close', () => resolve());
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (/^(?:sync|interval|os) /m.test(said)) resolve();
    });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const lastWords = new Promise<string>((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL' || code === 0) resolve(said);
      else reject(new Error(`the writer ended by itself (${code ?? signal}): ${complaints}`));
    });
  });
  lastWords.catch(() => {}); // Whoever waits for it hears of it; until then it is no accident.
  return { process: child, firstAck, lastWords };
}

/** Lets it live for `lifeMs` after its first acknowledgement. */
export async function live(writer: DoomedWriter, lifeMs: number): Promise<void> {
  await writer.firstAck;
  await pause(lifeMs);
}

/** Kills it and returns all that it had said. */
export async function kill(writer: DoomedWriter): Promise<string> {
  writer.process.kill('SIGKILL');
  return writer.lastWords;
}
