/**
 * Whether a thread of some process still runs, and what names it for good.
 *
 * On Linux the start time of the thread, from /proc: a pid is given again to another process, but
 * never with the same start time; and a worker thread ends without its process. Elsewhere only
 * that a process is gone can be known for certain.
 */
import fs from 'node:fs';

/** A thread: `pid` alone where /proc does not tell more. */
export interface ThreadName {
  readonly pid: number;
  /** The system's id of the thread, the pid for the main one; null outside Linux. */
  readonly threadId: number | null;
  /** Clock ticks from boot to the start of the thread; null outside Linux. */
  readonly startTime: number | null;
}

/** `unknown`: a process has the pid, and whether it is the same one cannot be told. */
export type ThreadFate = 'alive' | 'dead' | 'unknown';

/** The thread that calls. */
export function currentThread(): ThreadName {
  const { pid } = process;
  const threadId = ownThreadId();
  return threadId === null
    ? { pid, threadId, startTime: null }
    : { pid, threadId, startTime: startTimeOf(pid, threadId) };
}

/** What became of a thread of this pid namespace. */
export function fateOfThread({ pid, threadId, startTime }: ThreadName): ThreadFate {
  if (!isRunning(pid)) return 'dead';
  if (startTime === null || ownThreadId() === null) return 'unknown';
  const found = startTimeOf(pid, threadId ?? pid);
  if (found !== null) return found === startTime ? 'alive' : 'dead';
  // The thread ended, or (with `hidepid`) nothing of the process is shown to us.
  return readText(`/proc/${pid}/stat`) === null ? 'unknown' : 'dead';
}

/** Null outside Linux, and where /proc shows the processes of another namespace. */
function ownThreadId(): number | null {
  const [pid, threadId] = readLink('/proc/thread-self')?.split('/task/').map(Number) ?? [];
  return pid === process.pid && Number.isSafeInteger(threadId) ? (threadId ?? null) : null;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Null when there is no such thread, or it has ended. */
function startTimeOf(pid: number, threadId: number): number | null {
  const stat = readText(`/proc/${pid}/task/${threadId}/stat`);
  return stat === null ? null : startTimeIn(stat, { isMainThread: threadId === pid });
}

/** `PF_EXITING` of the Linux kernel. */
const EXITING = 0x4;

/** Field 22 of a `stat` file in /proc; null when it says that the thread has ended. */
export function startTimeIn(
  stat: string,
  { isMainThread }: { readonly isMainThread: boolean },
): number | null {
  // Field 2 is the name, in parentheses; it may hold spaces and parentheses.
  const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (['Z', 'X'].includes(state)) return null; // It holds nothing any more.
  // The first after the state is field 4, so field 9, the flags, is this one.
  const isExiting = (Number(fields[9 - 4]) & EXITING) !== 0;
  // Who joins a worker (`terminate`) may still see it here; Node has closed by then what it held.
  // An exiting process counts as alive: another of its threads may be in the middle of a write.
  if (isExiting && !isMainThread) return null;
  const startTime = Number(fields[22 - 4]);
  return Number.isSafeInteger(startTime) ? startTime : null;
}

/** Null when the file is not there: not Linux, or the process is gone. */
export function readText(path: string): string | null {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Null as with `readText`. */
export function readLink(path: string): string | null {
  try {
    return fs.readlinkSync(path);
  } catch {
    return null;
  }
}
