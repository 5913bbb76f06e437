/**
 * A lock of the kernel that comes with Node.js: an exclusive transaction that never ends, of an
 * empty SQLite database beside LOCK. Freed when the process dies, and seen by every container that
 * shares the volume.
 *
 * `node:sqlite` exists from Node.js 22.13 on; 22 prints an ExperimentalWarning when it is loaded,
 * which is why it is loaded only here, when nothing else works or it was asked for.
 */
import fs from 'node:fs';
import { join } from 'node:path';

import { isIoError } from '../core/errors.ts';
import { callFs, Descriptor } from './descriptor.ts';
import { ioError } from './io-error.ts';
import type { LockMechanism } from './lock-mechanisms.ts';

export const SQLITE_FILE_NAME = 'LOCK.sqlite';

/** `SQLITE_BUSY`, in the low byte of extended codes too. */
const BUSY = 5;
/** The journal stays in memory: nothing is ever written, and no second file shall stand beside. */
const LOCK_SQL = 'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;';

/** The part of `node:sqlite` that is used; its types do not exist for Node.js 20. */
interface Sqlite {
  readonly DatabaseSync: new (path: string) => { exec(sql: string): void; close(): void };
}

export const sqliteMechanism: LockMechanism = {
  name: 'sqlite',
  async take({ directory }) {
    const sqlite = loadSqlite();
    if (sqlite === null) return { unavailable: 'node:sqlite comes with Node.js 22.13' };
    const path = join(directory, SQLITE_FILE_NAME);
    await makeFile(path);
    let database: InstanceType<Sqlite['DatabaseSync']> | null = null;
    try {
      const opened = new sqlite.DatabaseSync(path);
      database = opened;
      opened.exec(LOCK_SQL);
      return { name: 'sqlite', release: async () => opened.close() };
    } catch (error) {
      database?.close();
      if (!(error instanceof Error)) throw error;
      const code = 'errcode' in error ? Number(error.errcode) & 0xff : null;
      return code === BUSY ? 'held' : { unavailable: error.message };
    }
  },
};

/**
 * Creates the file, which only we may read. One that is there is not opened: closing it would drop
 * the lock that another thread of this process has.
 *
 * @throws IoError also for a symbolic link, which SQLite would follow
 */
async function makeFile(path: string): Promise<void> {
  const { O_CREAT, O_EXCL, O_RDWR } = fs.constants;
  try {
    await (await Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL)).close();
  } catch (error) {
    if (!isIoError(error, 'EEXIST')) throw error;
    const at = { operation: 'lock', path };
    const stat = await callFs<fs.Stats>(at, (done) => fs.lstat(path, done));
    if (!stat.isFile()) throw ioError(stat.isSymbolicLink() ? 'ELOOP' : 'EINVAL', at);
  }
}

/** Null when this Node.js has none. */
function loadSqlite(): Sqlite | null {
  try {
    const loaded: unknown = process.getBuiltinModule('node:sqlite');
    return isSqlite(loaded) ? loaded : null;
  } catch {
    return null; // Node.js 20.15 and before have no `getBuiltinModule`.
  }
}

function isSqlite(loaded: unknown): loaded is Sqlite {
  return typeof loaded === 'object' && loaded !== null && 'DatabaseSync' in loaded;
}
