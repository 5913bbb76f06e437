/** Starts a `power-writer` and listens to it until it dies. */
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { randomBelow, type Random } from '../../../src/core/random.ts';
import type { WriterPlan } from './writer-plan.ts';

export interface DoomedWriter {
  readonly process: ChildProcess;
  /** Resolves at the so-manieth acknowledgement, at any level, or when the process ends before. */
  acked(count: number): Promise<void>;
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
  const acks = { count: 0 };
  const heard = new EventEmitter();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${said.slice(said.lastIndexOf('\n') + 1)}${text}`.split('\n').slice(0, -1);
    said += text;
    acks.count += lines.filter((line) => /^(?:sync|interval|os) /.test(line)).length;
    heard.emit('said');
  });
  child.on('close', () => {
    acks.count = Number.POSITIVE_INFINITY; // There will be no more.
    heard.emit('said');
  });
  const acked = async (count: number): Promise<void> => {
    while (acks.count < count) await once(heard, 'said');
  };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const lastWords = new Promise<string>((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL' || code === 0) resolve(said);
      else reject(new Error(`the writer ended by itself (${code ?? signal}): ${complaints}`));
    });
  });
  lastWords.catch(() => {}); // Whoever waits for it hears of it; until then it is no accident.
  return { process: child, acked, lastWords };
}

/** So many acknowledgements a writer lives for, at most, and so many ms more. */
const ACKS_MAX = 150;
const MORE_MS_MAX = 5;

/** Lets it live for some acknowledgements, and a moment more. Counted: a busy machine is slow. */
export async function live(writer: DoomedWriter, random: Random): Promise<void> {
  const ackCount = 1 + randomBelow(random, ACKS_MAX);
  const moreMs = random.next() * MORE_MS_MAX;
  await writer.acked(ackCount);
  await pause(moreMs);
}

/** Kills it and returns all that it had said. */
export async function kill(writer: DoomedWriter): Promise<string> {
  writer.process.kill('SIGKILL');
  return writer.lastWords;
}
