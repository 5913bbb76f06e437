/** Which calls of a faulty file system fail, and how. */

export const OPERATIONS = [
  'realPath',
  'makeDirectory',
  'list',
  'stat',
  'open',
  'create',
  'rename',
  'unlink',
  'removeDirectory',
  'syncDirectory',
  'space',
  'lockDirectory',
  'verifyLock',
  'releaseLock',
  'lockState',
  'read',
  'write',
  'datasync',
  'truncate',
  'statFile',
  'close',
] as const;

/** Those that change a disk: at a crash inside any other one, nothing is in flight but before it. */
export const CHANGING_OPERATIONS: ReadonlySet<Operation> = new Set([
  'makeDirectory',
  'create',
  'rename',
  'unlink',
  'removeDirectory',
  'lockDirectory',
  'write',
  'truncate',
]);

/** What a call is. `open` is of an existing file; the `Sync` twins count as `read` and `write`. */
export type Operation = (typeof OPERATIONS)[number];

/** One call, numbered from 1 in the order of calling. */
export interface Call {
  readonly operation: Operation;
  readonly path: string;
  readonly position?: number;
  readonly length?: number;
  /** Of a write: what is written, for a recorder. */
  readonly bytes?: Uint8Array;
  readonly isSync?: boolean;
}

export interface FaultRule {
  /** `EIO`, `ENOSPC`, `EMFILE`, `EROFS`, `EACCES`, ... The call has no effect but as below. */
  readonly errno: string;
  /** Default: any. */
  readonly operations?: readonly Operation[];
  /** End of the path, or a pattern; default: any. */
  readonly path?: string | RegExp;
  /** First call number that the rule is for; default 1. */
  readonly fromCall?: number;
  /** Matching calls let through first; default 0. */
  readonly skip?: number;
  /** Matching calls that fail; default 1, `Infinity` for a fault that stays. */
  readonly times?: number;
  /**
   * Of a write: take so many bytes (`half` of them) and report the count without an error, as a
   * full disk does. The error is what the next write of the file gets.
   */
  readonly shortBytes?: number | 'half';
  /**
   * Of a datasync, which always leaves the file's unsynced changes clean: whether `all` of them are
   * lost (default), or a `random` part was written before the failure.
   */
  readonly lost?: 'all' | 'random';
}

export interface Fault {
  readonly errno: string;
  readonly shortBytes: number | 'half' | null;
  readonly lost: 'all' | 'random';
}

interface ActiveRule {
  readonly rule: FaultRule;
  skip: number;
  times: number;
}

/** The rules in force. The first that matches a call decides. */
export class FaultPlan {
  #active: ActiveRule[] = [];

  constructor(rules: readonly FaultRule[] = []) {
    for (const rule of rules) this.add(rule);
  }

  add(rule: FaultRule): void {
    this.#active.push({ rule, skip: rule.skip ?? 0, times: rule.times ?? 1 });
  }

  clear(): void {
    this.#active = [];
  }

  /** The fault that call `number` meets; null for none. Uses up the rule. */
  match(number: number, call: Call): Fault | null {
    for (const active of this.#active) {
      if (active.times <= 0 || !matches(active.rule, number, call)) continue;
      if (active.skip > 0) {
        active.skip -= 1;
        continue;
      }
      active.times -= 1;
      const { errno, shortBytes = null, lost = 'all' } = active.rule;
      // Only a write of two bytes or more can be short.
      const isShort = shortBytes !== null && call.operation === 'write' && (call.length ?? 0) > 1;
      if (isShort) this.#active.unshift(nextWriteFails(errno, call));
      return { errno, shortBytes: isShort ? shortBytes : null, lost };
    }
    return null;
  }
}

function nextWriteFails(errno: string, call: Call): ActiveRule {
  return { rule: { errno, operations: ['write'], path: call.path }, skip: 0, times: 1 };
}

function matches(rule: FaultRule, number: number, call: Call): boolean {
  if (number < (rule.fromCall ?? 1)) return false;
  if (rule.operations !== undefined && !rule.operations.includes(call.operation)) return false;
  if (rule.path === undefined) return true;
  return typeof rule.path === 'string' ? call.path.endsWith(rule.path) : rule.path.test(call.path);
}
