/**
 * A copy of a mounted disk that is one moment of it: the writer is stopped (or dead), and nothing
 * reached the disk while the copy was made.
 *
 * SIGSTOP writes nothing back, unlike fsfreeze, which would sync first. A call that is in the kernel
 * when the signal comes goes on to its end; so states in the middle of an fdatasync come from
 * `writeBack` of some ranges, not from the copy.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { copyImage } from '../loop-images.ts';

const COPIES_MAX = 50;
const STOP_MS_MAX = 10_000;
/** Fields of /sys/block/<disk>/stat: writes, sectors written, in flight, discards, flushes. */
const STAT_FIELDS = [4, 6, 8, 11, 13, 15];
const IN_FLIGHT_FIELD = 8;

/** Stops a process, and waits until none of its threads runs or is inside a call. */
export async function stopProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const startMs = performance.now();
  while (!isStopped(pid)) {
    if (performance.now() - startMs > STOP_MS_MAX) throw new Error(`${pid} does not stop`);
    await turn();
  }
}

/** Copies the image of the disk that is mounted at `directory`. @throws Error when it never rests */
export function copyAtRest(image: string, copy: string, directory: string): void {
  const device = deviceAt(directory);
  for (let attempt = 0; attempt < COPIES_MAX; attempt++) {
    const before = statOf(device);
    copyImage(image, copy);
    if (before.inFlight === 0 && before.text === statOf(device).text) return;
  }
  throw new Error(`${device} was never at rest`);
}

function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  });
}

/** `loop3`, from the lines `36 35 7:3 / /mnt rw - ext4 /dev/loop3 rw`. */
function deviceAt(directory: string): string {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [mount = '', source = ''] = line.split(' - ');
    const device = /\/dev\/(\w+)/.exec(source)?.[1];
    if (mount.split(' ')[4] === directory && device !== undefined) return device;
  }
  throw new Error(`nothing is mounted at ${directory}`);
}

function statOf(device: string): { readonly text: string; readonly inFlight: number } {
  const fields = readFileSync(`/sys/block/${device}/stat`, 'utf8').trim().split(/\s+/);
  return {
    text: STAT_FIELDS.map((field) => fields[field]).join(' '),
    inFlight: Number(fields[IN_FLIGHT_FIELD]),
  };
}
