/**
 * Counts and times the calls of `node:fs` that wait for the disk, by wrapping them.
 *
 * Reads and writes run in the thread pool, where a CPU profile does not look. Wall time from the
 * call to its callback: it includes waiting for a thread of the pool and for the event loop, and
 * calls that overlap are added up, so a sum may exceed the run.
 */
import fs from 'node:fs';

export interface WaitTotal {
  readonly call: string;
  readonly count: number;
  readonly totalMs: number;
}

type AnyFunction = (...args: unknown[]) => unknown;
type Patchable = Record<string, AnyFunction>;

const CALLBACK_CALLS = ['write', 'fdatasync', 'fsync', 'read'] as const;
const SYNC_CALLS = ['writeSync', 'fdatasyncSync', 'readSync'] as const;

/** Wraps the functions of `node:fs` from now until `stop`. */
export class FsWaits {
  readonly #totals = new Map<string, { count: number; totalMs: number }>();
  readonly #originals = new Map<string, AnyFunction>();
  /** The default export is the module's own object: who calls `fs.write` calls the wrapper. */
  readonly #module = fs as unknown as Patchable;

  start(): void {
    for (const name of CALLBACK_CALLS) this.#wrap(name, (original) => this.#timed(name, original));
    for (const name of SYNC_CALLS) this.#wrap(name, (original) => this.#timedSync(name, original));
  }

  /** Restores what was wrapped and returns what was called, in a fixed order. */
  stop(): readonly WaitTotal[] {
    for (const [name, original] of this.#originals) this.#module[name] = original;
    this.#originals.clear();
    return [...CALLBACK_CALLS, ...SYNC_CALLS].flatMap((call) => {
      const total = this.#totals.get(call);
      return total === undefined ? [] : [{ call, ...total }];
    });
  }

  #wrap(name: string, wrap: (original: AnyFunction) => AnyFunction): void {
    const original = this.#module[name];
    if (original === undefined) return;
    this.#originals.set(name, original);
    this.#module[name] = wrap(original);
  }

  #timed(name: string, original: AnyFunction): AnyFunction {
    return (...args) => {
      const callback = args.pop() as AnyFunction;
      const startMs = performance.now();
      args.push((...results: unknown[]) => {
        this.#add(name, performance.now() - startMs);
        callback(...results);
      });
      return original.apply(fs, args);
    };
  }

  #timedSync(name: string, original: AnyFunction): AnyFunction {
    return (...args) => {
      const startMs = performance.now();
      const result = original.apply(fs, args);
      this.#add(name, performance.now() - startMs);
      return result;
    };
  }

  #add(name: string, ms: number): void {
    const total = this.#totals.get(name) ?? { count: 0, totalMs: 0 };
    total.count++;
    total.totalMs += ms;
    this.#totals.set(name, total);
  }
}
