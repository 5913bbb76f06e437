/** What `consumerGroup` accepts, checked. */
import { checkSignal } from '../core/abort.ts';
import { checkChoice, checkFunction, checkInteger } from '../core/assert.ts';
import { checkBoolean, plainOptions } from '../core/options.ts';
import { checkStart, type StartFrom } from '../topic/start-position.ts';

/** When a member's positions are committed without its asking. */
export type AutoCommit = 'never' | 'before' | 'after';

export interface GroupOptions {
  /** Where the group begins in a partition that it never committed in; default `earliest`. */
  readonly from?: StartFrom | undefined;
  /**
   * What to do when the committed position is not there any more, because retention or a power cut
   * passed it: go on at the `earliest` record that is left (default), at the `latest`, or `fail`.
   */
  readonly whenLost?: 'earliest' | 'latest' | 'fail' | undefined;
  /**
   * `never` (default): `commit` alone commits. `after`: what was handled, when the last such commit
   * is `autoCommitMs` old and the member comes for its next batch or waits for it, when it gives
   * partitions up, and on close. A batch is handled when the next one is asked for: one that the
   * handler left, by a failure or by `break`, is handed out again. A crash hands records out again (at least once). `before`: each batch before it is
   * handed out; a crash skips what was not handled (at most once).
   */
  readonly autoCommit?: AutoCommit | undefined;
  /** With `after`, ms between two commits, 0..3_600_000; default 5000. */
  readonly autoCommitMs?: number | undefined;
  /**
   * A member that does not come for its next batch for so long loses its partitions, ms,
   * 10..86_400_000; default 5 minutes. Each member has its own.
   */
  readonly pollMsMax?: number | undefined;
  /** One member reads all partitions, the others take over when it goes; default false. */
  readonly singleActive?: boolean | undefined;
  /** Called with partitions that came to the member, before their first batch. */
  readonly onAssigned?: ((partitions: readonly number[]) => void | Promise<void>) | undefined;
  /** Called with partitions that the member is about to give up: the last moment to commit. */
  readonly onRevoked?: ((partitions: readonly number[]) => void | Promise<void>) | undefined;
  /** Called with partitions that were taken from it: it came too late, and cannot commit. */
  readonly onLost?: ((partitions: readonly number[]) => void | Promise<void>) | undefined;
}

export interface GroupReadOptions {
  /** Ends the read with its reason; the member stays in the group. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the process stays alive while the member waits; default true. */
  readonly keepsAlive?: boolean | undefined;
}

type Callback = (partitions: readonly number[]) => void | Promise<void>;

/** `GroupOptions` with every default filled in. */
export interface GroupSettings {
  readonly from: StartFrom;
  readonly whenLost: 'earliest' | 'latest' | 'fail';
  readonly autoCommit: AutoCommit;
  readonly autoCommitMs: number;
  readonly pollMsMax: number;
  readonly singleActive: boolean;
  readonly onAssigned: Callback;
  readonly onRevoked: Callback;
  readonly onLost: Callback;
}

const POLL_MS_MAX = 5 * 60 * 1000;
const AUTO_COMMIT_MS = 5000;
const DAY_MS = 24 * 60 * 60 * 1000;

const KNOWN: ReadonlySet<string> = new Set<keyof GroupOptions>([
  'from',
  'whenLost',
  'autoCommit',
  'autoCommitMs',
  'pollMsMax',
  'singleActive',
  'onAssigned',
  'onRevoked',
  'onLost',
]);

const KNOWN_OF_READ: ReadonlySet<string> = new Set<keyof GroupReadOptions>([
  'signal',
  'keepsAlive',
]);

/** @throws TypeError (`ERR_VARVE_INVALID_ARGUMENT`) */
export function checkReadOptions(given: GroupReadOptions): GroupReadOptions {
  const { signal, keepsAlive = true } = plainOptions(given, KNOWN_OF_READ);
  checkSignal('signal', signal);
  return { signal, keepsAlive: checkBoolean('keepsAlive', keepsAlive) };
}

/** @throws TypeError or RangeError (`ERR_VARVE_INVALID_ARGUMENT`) */
export function resolveGroupOptions(given: GroupOptions): GroupSettings {
  const options = plainOptions(given, KNOWN);
  const { from = 'earliest', whenLost = 'earliest', autoCommit = 'never' } = options;
  const { autoCommitMs = AUTO_COMMIT_MS, pollMsMax = POLL_MS_MAX } = options;
  return Object.freeze({
    from: checkStart('from', from),
    whenLost: checkChoice('whenLost', whenLost, ['earliest', 'latest', 'fail']),
    autoCommit: checkChoice('autoCommit', autoCommit, ['never', 'before', 'after']),
    autoCommitMs: checkInteger('autoCommitMs', autoCommitMs, { min: 0, max: 3_600_000 }),
    pollMsMax: checkInteger('pollMsMax', pollMsMax, { min: 10, max: DAY_MS }),
    singleActive: checkBoolean('singleActive', options.singleActive ?? false),
    onAssigned: callback('onAssigned', options.onAssigned),
    onRevoked: callback('onRevoked', options.onRevoked),
    onLost: callback('onLost', options.onLost),
  });
}

function callback(name: string, given: Callback | undefined): Callback {
  if (given === undefined) return () => undefined;
  checkFunction(name, given);
  return given;
}
