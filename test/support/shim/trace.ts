/** The trace of `power-shim.c`, read back: what a process did to the files below one directory. */

/** One call that took effect. Paths are absolute, the traced directory being the root. */
export type TraceEntry =
  | { readonly kind: 'create'; readonly path: string; readonly inode: bigint }
  | { readonly kind: 'makeDirectory' | 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | {
      readonly kind: 'write';
      readonly inode: bigint;
      readonly position: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'truncate'; readonly inode: bigint; readonly sizeBytes: number }
  | SyncEntry;

/** `path` is the directory's; null for a file, which is known by its inode. */
export interface SyncEntry {
  readonly kind: 'sync';
  /** The same for both records of one sync. */
  readonly token: bigint;
  readonly inode: bigint;
  readonly path: string | null;
  /** `begun` is the first record, the others are the second. */
  readonly outcome: 'begun' | 'synced' | 'failed' | 'lied';
}

// As `struct header` of power-shim.c, little-endian.
const MAGIC = 0x52574f50;
const KIND_AT = 4;
const OUTCOME_AT = 5;
const PATH_BYTES_AT = 6;
const INODE_AT = 8;
const POSITION_AT = 16;
const DATA_BYTES_AT = 24;
const HEADER_BYTES = 32;

const OUTCOMES: Readonly<Record<string, SyncEntry['outcome']>> = {
  s: 'synced',
  f: 'failed',
  l: 'lied',
};

/** Yields the entries in the order in which they were made; a last one that is cut is not there. */
export function* traceEntries(trace: Buffer): Generator<TraceEntry> {
  let at = 0;
  while (at + HEADER_BYTES <= trace.length) {
    if (trace.readUInt32LE(at) !== MAGIC) throw new Error(`no trace record at byte ${at}`);
    const pathEnd = at + HEADER_BYTES + trace.readUInt16LE(at + PATH_BYTES_AT);
    const end = pathEnd + Number(trace.readBigUInt64LE(at + DATA_BYTES_AT));
    if (end > trace.length) return;
    const header = trace.subarray(at, at + HEADER_BYTES);
    const path = trace.toString('utf8', at + HEADER_BYTES, pathEnd);
    yield entryOf(header, path, trace.subarray(pathEnd, end));
    at = end;
  }
}

function entryOf(header: Buffer, name: string, data: Buffer): TraceEntry {
  const kind = String.fromCharCode(header[KIND_AT] ?? 0);
  const path = `/${name}`;
  const inode = header.readBigUInt64LE(INODE_AT);
  const position = header.readBigUInt64LE(POSITION_AT);
  switch (kind) {
    case 'c':
      return { kind: 'create', path, inode };
    case 'm':
      return { kind: 'makeDirectory', path };
    case 'u':
      return { kind: 'unlink', path };
    case 'r':
      return { kind: 'rename', path, to: `/${data.toString('utf8')}` };
    case 'w':
      return { kind: 'write', inode, position: Number(position), bytes: data };
    case 't':
      return { kind: 'truncate', inode, sizeBytes: Number(position) };
    case 'b':
    case 'e':
      return syncOf(header, { path: name === '' ? null : path, inode, token: position });
    default:
      throw new Error(`unknown kind of trace record: ${kind}`);
  }
}

function syncOf(header: Buffer, sync: Pick<SyncEntry, 'path' | 'inode' | 'token'>): SyncEntry {
  const outcome = OUTCOMES[String.fromCharCode(header[OUTCOME_AT] ?? 0)] ?? 'begun';
  return { kind: 'sync', ...sync, outcome };
}
