/** Runs one life of the process that moves money. */
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { distPath } from '../../support/run-cli.ts';
import type { Life } from './life.ts';

export interface Lived {
  readonly said: string;
  /** From its start until its store was open; null = it was not. */
  readonly openMs: number | null;
}

/** How a life ends before everything is moved. */
export interface Doom {
  /** @param moved  waits until it has said so often that transfers are moved, or is dead */
  when(moved: (count: number) => Promise<void>): Promise<unknown>;
  /** Default: SIGKILL. */
  kill?(child: ChildProcess): void;
}

const SCRIPT = distPath('test', 'crash', 'transfers', 'transfers-process.js');

/**
 * @param doom         null = it ends by itself
 * @param environment  beside PATH and HOME; nothing else is passed on
 * @throws Error when it ends otherwise, with what it complained of
 */
export async function runLife(
  life: Life,
  doom: Doom | null,
  environment: Readonly<Record<string, string>> = {},
): Promise<Lived> {
  if (!existsSync(SCRIPT)) throw new Error(`no ${SCRIPT}: npm run build comes first`);
  const { PATH = '', HOME = '' } = process.env;
  const startMs = performance.now();
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(life)], {
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const state = { said: '', complaints: '', movedCount: 0, openMs: null as number | null };
  const heard = new EventEmitter();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    state.said += text;
    state.openMs ??= performance.now() - startMs; // It says that first.
    state.movedCount += text.split('moved').length - 1;
    heard.emit('said');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (state.complaints += text));
  const closed = once(child, 'close').then(([code, signal]) => {
    state.movedCount = Number.POSITIVE_INFINITY; // It says no more.
    heard.emit('said');
    return String(code ?? signal);
  });
  if (doom !== null) {
    const moved = async (count: number): Promise<void> => {
      while (state.movedCount < count) await once(heard, 'said');
    };
    await doom.when(moved);
    if (doom.kill === undefined) child.kill('SIGKILL');
    else doom.kill(child);
  }
  const end = await closed;
  if (end === (doom === null ? '0' : 'SIGKILL')) return { said: state.said, openMs: state.openMs };
  throw new Error(`it ended by itself (${end}): ${state.complaints}`);
}
