/**
 * The parent of the process that holds the queue: starts it, kills it while it recovers and while it
 * works, stops it for longer than a lease, starts it again on the same directory, lets it drain at
 * last, and keeps the history of it all.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { SeededRandom } from '../../../src/index.ts';
import {
  EventLines,
  type ProcessEvent,
  type QueueEvent,
} from '../../support/queue-check/history.ts';
import { nowMs } from '../../support/queue-check/shared-clock.ts';
import { distPath } from '../../support/run-cli.ts';
import type { EngineOptions } from './engine-options.ts';

const ENGINE = distPath('test', 'crash', 'queue', 'engine-process.js');
/** Settling what is left takes seconds; this is for a machine that does much else. */
const DRAIN_MS_MAX = 120_000;
/** A run ends at last after so many times more than it should take. */
const LONGER_FACTOR = 5;
/** Or after so long: it takes some lives until a record is dead of crashes. */
const LONGER_MS_MIN = 60_000;
const TORMENTS = ['kill', 'stop', 'kill in recovery', 'stop', 'stop and kill'] as const;
/** Such a life is not killed before it works. */
const POISONED_LIFE = 3;
const RECOVERY_KILL_MS = { min: 30, max: 130 };

export type NemesisOptions = Omit<EngineOptions, 'life' | 'isPoisoned' | 'isDraining'> & {
  /** How long it kills and stops at least, before it lets the queue drain. */
  readonly forMs: number;
  /** One of so many lives sends a record that kills those who handle it; 0 for none. */
  readonly poisonedLives: number;
  /** Asked between lives from then on, until it is true; a busy machine takes longer. */
  readonly isEnough: (history: readonly QueueEvent[]) => boolean;
  /** Between the first event of a life and what is done to it then. */
  readonly lifeMsMax: number;
};

/** One life of the process. */
class Engine {
  readonly #child: ChildProcess;
  readonly #history: QueueEvent[];
  readonly #life: number;
  /** Resolves with its first event, or its end. */
  readonly working: Promise<void>;
  /** Resolves when it has ended and all it said is in the history. */
  readonly ended: Promise<void>;
  hasEnded = false;
  #complaints = '';

  constructor(options: EngineOptions, history: QueueEvent[]) {
    this.#history = history;
    this.#life = options.life;
    this.#note('started');
    this.#child = spawn(process.execPath, [ENGINE, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = new EventLines();
    let markWorking: (() => void) | undefined;
    this.working = new Promise((resolve) => (markWorking = resolve));
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      for (const event of lines.push(chunk)) history.push(event);
      markWorking?.();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('close', (code, signal) => {
        this.hasEnded = true;
        this.#note(code === 0 ? 'closed' : 'killed');
        markWorking?.();
        if (code === 0 || signal === 'SIGKILL') resolve();
        else reject(new Error(`the engine ended with ${code ?? signal}: ${this.#complaints}`));
      });
    });
    this.ended.catch(() => undefined); // Whoever awaits it hears of it.
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** Stops it; resolves after so long, and it still stands. */
  async stop(ms: number): Promise<void> {
    if (this.hasEnded) return;
    this.#note('stopped');
    this.#child.kill('SIGSTOP');
    await pause(ms);
  }

  resume(): void {
    if (this.hasEnded) return;
    this.#child.kill('SIGCONT');
    this.#note('continued');
  }

  #note(stage: ProcessEvent['stage']): void {
    this.#history.push({ type: 'process', life: this.#life, atMs: nowMs(), stage });
  }
}

/** Torments one queue and returns its history. Rejects when the process ends as nobody asked. */
export async function runNemesis(options: NemesisOptions): Promise<readonly QueueEvent[]> {
  const random = new SeededRandom(options.seed);
  const history: QueueEvent[] = [];
  const endMs = nowMs() + options.forMs;
  const lastMs = endMs + Math.max(LONGER_FACTOR * options.forMs, LONGER_MS_MIN);
  let life = 1;
  while (nowMs() < endMs || (nowMs() < lastMs && !options.isEnough(history))) {
    const isPoisoned = life % options.poisonedLives === POISONED_LIFE;
    const engine = new Engine({ ...options, life, isPoisoned, isDraining: false }, history);
    await torment(engine, { ...options, life }, random);
    await engine.kill();
    life++;
  }
  await drain(options, life, history);
  return history;
}

/** What is done to a life before it is killed comes in turn, so that short runs have it all. */
async function torment(
  engine: Engine,
  { life, lifeMsMax, leaseMs }: NemesisOptions & { readonly life: number },
  random: SeededRandom,
): Promise<void> {
  const kind = TORMENTS[life % TORMENTS.length];
  if (kind === 'kill in recovery') {
    const { min, max } = RECOVERY_KILL_MS;
    return pause(min + random.next() * (max - min));
  }
  await engine.working;
  const livesOn = (): Promise<unknown> =>
    Promise.race([pause(random.next() * lifeMsMax), engine.ended]);
  await livesOn();
  if (kind === 'kill') return;
  await engine.stop(leaseMs * (1.1 + random.next()));
  if (kind === 'stop and kill') return;
  engine.resume();
  await livesOn();
}

async function drain(options: NemesisOptions, life: number, history: QueueEvent[]): Promise<void> {
  const engine = new Engine({ ...options, life, isPoisoned: false, isDraining: true }, history);
  const isLate = await Promise.race([
    engine.ended.then(() => false),
    pause(DRAIN_MS_MAX, true, { ref: false }),
  ]);
  if (isLate) await engine.kill();
}
