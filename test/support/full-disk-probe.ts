/**
 * Fills a real disk under an open log and says what the log did, as JSON: run from dist as root in
 * a mount namespace of its own (`unshare -m`).
 *
 * Arguments: an empty directory; `tmpfs`, `ext4` or `xfs`; and the `freeBytesMin` of the log, `default`
 * or a number: with 0 it is the kernel that refuses.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { bytes, openLog, verifyLog, type Log } from '../../src/index.ts';
import { Ballast, codeOf, mountSmallDisk } from './ballast.ts';
import { isSubmitted, submittedAt } from './power/submitted.ts';

/** What a handle did on a disk without room. */
export interface Refusals {
  /** Codes of the errors that appends were rejected with. */
  readonly codes: readonly string[];
  /** Appends that found room after all. */
  readonly acceptedCount: number;
}

export interface Reopened {
  readonly readOnly: boolean;
  /** Records of which an opening before knew, and that are there, each at its offset. */
  readonly areAllThere: boolean;
  readonly cutBytes: number;
  readonly refusals: Refusals;
}

/** What happened, in this order. */
export interface FullDiskReport {
  readonly whileFull: Refusals & { readonly state: string; readonly areAllThere: boolean };
  /** An append was accepted once there was room, by the same handle. */
  readonly hasResumed: boolean;
  /** What still could be written to a new file when the log was opened again. */
  readonly roomBytesAtReopen: number;
  readonly reopened: Reopened;
  /** After a kill -9 that left a torn tail. */
  readonly afterKill: Reopened;
  /** The same once more, when the reserve is gone. */
  readonly withoutReserve: Reopened;
  readonly afterRoomCame: Reopened;
  readonly damageCount: number;
}

const SEED = 1;
const ROOM_BYTES = 2 ** 20;
const TRIES = 20;
/** xfs gives blocks back in the background: so long an append may be refused although there is room. */
const RESUME_MS_MAX = 10_000;
const TORN_BYTES = 10;

class FullDisk {
  readonly #path: string;
  readonly #freeBytesMin: number | null;
  readonly #ballast: Ballast;
  /** Acknowledged so far. */
  #endOffset = 0;

  constructor(root: string, freeBytesMin: number | null) {
    this.#ballast = new Ballast(root);
    this.#freeBytesMin = freeBytesMin;
    this.#path = join(root, 'log');
  }

  async run(): Promise<FullDiskReport> {
    let log = await this.#open();
    for (let count = 0; count < TRIES; count++) await this.#append(log);
    this.#ballast.leaveRoom(ROOM_BYTES);
    const refusals = await this.#appendUntilFull(log);
    this.#ballast.fill();
    const more = await this.#tryAppends(log);
    const whileFull = {
      codes: [...refusals.codes, ...more.codes],
      acceptedCount: more.acceptedCount,
      state: log.stats().state,
      areAllThere: await this.#areAllThere(log),
    };
    this.#ballast.makeRoom();
    const hasResumed = await this.#resumes(log);
    this.#ballast.fill();
    await log.close();
    const roomBytesAtReopen = this.#ballast.fill();
    log = await this.#open();
    const reopened = await this.#look(log);
    await log.close();
    const afterKill = await this.#killTorn({ hasReserve: true });
    const withoutReserve = await this.#killTorn({ hasReserve: false });
    this.#ballast.makeRoom();
    log = await this.#open();
    const afterRoomCame = await this.#look(log);
    await log.close();
    const damageCount = await this.#countDamage();
    return {
      whileFull,
      hasResumed,
      roomBytesAtReopen,
      reopened,
      afterKill,
      withoutReserve,
      afterRoomCame,
      damageCount,
    };
  }

  #open(): Promise<Log<Uint8Array>> {
    return openLog(this.#path, { codec: bytes, freeBytesMin: this.#freeBytesMin });
  }

  async #append(log: Log<Uint8Array>): Promise<void> {
    await log.append(submittedAt(SEED, log.endOffset));
    this.#endOffset = log.endOffset;
  }

  async #appendUntilFull(log: Log<Uint8Array>): Promise<Refusals> {
    for (;;) {
      const refusals = await this.#tryAppends(log);
      if (refusals.codes.length > 0) return refusals;
    }
  }

  /** One after the other: a record that was refused is tried again, at the same offset. */
  async #tryAppends(log: Log<Uint8Array>): Promise<Refusals> {
    const codes: string[] = [];
    let acceptedCount = 0;
    for (let count = 0; count < TRIES; count++) {
      try {
        await this.#append(log);
        acceptedCount++;
      } catch (error) {
        codes.push(codeOf(error));
      }
    }
    return { codes, acceptedCount };
  }

  async #resumes(log: Log<Uint8Array>): Promise<boolean> {
    const startMs = performance.now();
    while (performance.now() - startMs < RESUME_MS_MAX) {
      const { acceptedCount } = await this.#tryAppends(log);
      if (acceptedCount > 0) return true;
      await turn();
    }
    return false;
  }

  async #look(log: Log<Uint8Array>): Promise<Reopened> {
    const areAllThere = await this.#areAllThere(log);
    const refusals = await this.#tryAppends(log);
    const { readOnly, recovery } = log;
    return { readOnly, areAllThere, cutBytes: recovery.cutBytes, refusals };
  }

  /** Every acknowledged record is there and right, and nothing else. */
  async #areAllThere(log: Log<Uint8Array>): Promise<boolean> {
    let expected = 0;
    for await (const batch of log.batches()) {
      for (const record of batch) {
        if (record.offset !== expected || !isSubmitted(SEED, record)) return false;
        expected++;
      }
    }
    return expected === this.#endOffset;
  }

  /**
   * With room, a writer appends a synced record and one at `os`, and is killed; then the disk is
   * filled to its last byte, and the last record loses its end.
   */
  async #killTorn({ hasReserve }: { readonly hasReserve: boolean }): Promise<Reopened> {
    this.#ballast.makeRoom();
    const script = join(import.meta.dirname, 'full-disk-writer.js');
    const writer = spawn(process.execPath, [script, this.#path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(writer, 'close');
    const [said] = (await once(writer.stdout, 'data')) as [Buffer];
    writer.kill('SIGKILL');
    await closed;
    this.#endOffset = Number(String(said)); // All but the record at `os`.
    if (!hasReserve) rmSync(join(this.#path, 'reserve'));
    this.#ballast.fill();
    const last = readdirSync(this.#path)
      .filter((name) => name.endsWith('.log'))
      .toSorted()
      .at(-1);
    const segment = join(this.#path, last ?? '');
    truncateSync(segment, statSync(segment).size - TORN_BYTES);
    this.#ballast.fill();
    const log = await this.#open();
    try {
      return await this.#look(log);
    } finally {
      await log.close();
    }
  }

  async #countDamage(): Promise<number> {
    let count = 0;
    for await (const { type } of verifyLog(this.#path)) if (type === 'damage') count++;
    return count;
  }
}

const [, , directory = '', type = '', floor = ''] = process.argv;
const root = mountSmallDisk(directory, type);
const freeBytesMin = floor === 'default' ? null : Number(floor);
process.stdout.write(JSON.stringify(await new FullDisk(root, freeBytesMin).run()));
