/**
 * Which stage a function works for: the table behind `npm run bench:profile`.
 *
 * The first rule that fits a frame decides; a frame without a rule (a builtin, Node's own code)
 * works for whoever called it. A test holds every path named here to be a file of `src`.
 */

export const STAGES = [
  'encode',
  'crc',
  'write',
  'sync',
  'read',
  'decode',
  'promises',
  'gc',
  'caller',
  'idle',
  'other',
  'profiler',
] as const;
export type Stage = (typeof STAGES)[number];

/** What each stage is, for the legend. */
export const STAGE_TITLES: Readonly<Record<Stage, string>> = {
  encode: 'checking and encoding records, batches, indexes',
  crc: 'checksums',
  write: 'issuing writes; small ones are written on this thread',
  sync: 'issuing fdatasync, and the checkpoint behind each',
  read: 'issuing reads, choosing segments and batches',
  decode: 'walking and making records',
  promises: 'calls, acknowledgements, promises, microtasks',
  gc: 'garbage collection on this thread',
  caller: "the bench's own loop",
  idle: 'nothing to do: the thread pool works',
  other: 'everything else, most of it native code without a JavaScript frame',
  profiler: 'starting and ending the profile: left out',
};

export interface StageRule {
  readonly stage: Stage;
  /** Path under the repository: a file, or a folder that ends in `/`. Sources, not `dist`. */
  readonly path?: string;
  /** Beginning of the url of Node's own modules: `node:zlib`. */
  readonly module?: string;
  /** Names of functions; default: all of the file or module. */
  readonly functions?: readonly string[];
}

export const STAGE_RULES: readonly StageRule[] = [
  { stage: 'gc', functions: ['(garbage collector)'] },
  { stage: 'idle', functions: ['(idle)'] },
  { stage: 'other', functions: ['(program)', '(root)'] },

  { stage: 'profiler', module: 'node:inspector' },

  { stage: 'crc', path: 'src/format/checksum.ts' },
  { stage: 'crc', module: 'node:zlib', functions: ['crc32'] },

  { stage: 'decode', path: 'src/format/batch-cursor.ts' },
  { stage: 'decode', path: 'src/format/batch-records.ts' },
  { stage: 'decode', path: 'src/log/record.ts' },
  { stage: 'decode', path: 'src/log/log-cursor.ts' },

  { stage: 'read', path: 'src/segment/segment-scanner.ts' },
  { stage: 'read', path: 'src/log/log-reader.ts' },
  { stage: 'read', path: 'src/log/record-source.ts' },

  { stage: 'encode', path: 'src/format/' },
  { stage: 'encode', path: 'src/codec/' },
  { stage: 'encode', path: 'src/log/batch-builder.ts' },
  { stage: 'encode', path: 'src/log/prepared-records.ts' },
  { stage: 'encode', path: 'src/log/record-input.ts' },
  { stage: 'encode', path: 'src/segment/segment-index.ts' },

  { stage: 'sync', path: 'src/log/sync-loop.ts' },
  { stage: 'sync', path: 'src/log/checkpoint-keeper.ts' },
  { stage: 'sync', path: 'src/log/checkpoint-file.ts' },
  { stage: 'sync', path: 'src/io/node-file-system.ts', functions: ['datasync'] },

  {
    stage: 'read',
    path: 'src/io/node-file-system.ts',
    functions: ['read', '#readSome', 'readSync'],
  },
  { stage: 'write', path: 'src/io/node-file-system.ts', functions: ['write', 'writeSync'] },
  { stage: 'write', path: 'src/log/chunk-writer.ts' },
  { stage: 'write', path: 'src/log/space-guard.ts' },

  // The wrappers that time them stand in between, so their caller's stage does not reach them.
  { stage: 'write', module: 'node:fs', functions: ['write', 'writeSync'] },
  { stage: 'read', module: 'node:fs', functions: ['read', 'readSync'] },
  { stage: 'sync', module: 'node:fs', functions: ['fdatasync', 'fdatasyncSync', 'fsync'] },

  { stage: 'promises', path: 'src/io/descriptor.ts', functions: ['done', '#finished'] },
  { stage: 'promises', path: 'src/log/appender.ts' },
  { stage: 'promises', path: 'src/log/ack-queue.ts' },
  { stage: 'promises', path: 'src/log/log.ts' },
  { stage: 'promises', path: 'src/core/abort.ts' },
  { stage: 'promises', module: 'node:internal/process/task_queues' },
  { stage: 'promises', functions: ['runMicrotasks'] },
  { stage: 'other', module: 'node:internal/timers' },

  { stage: 'caller', path: 'bench/' },
];

/** What a rule looks at. `url` is a `file:` url of `dist`, `node:...`, or empty for a builtin. */
export interface Frame {
  readonly functionName: string;
  readonly url: string;
}

/** The stage of a frame by its own name; null when its caller decides. */
export function stageOf(frame: Frame): Stage | null {
  const path = sourcePathOf(frame.url);
  const rule = STAGE_RULES.find((candidate) => fits(candidate, frame, path));
  return rule?.stage ?? null;
}

/** `src/log/log.ts` for `file:///.../dist/src/log/log.js`; null for what is not ours. */
export function sourcePathOf(url: string): string | null {
  const [, path = null] = /\/dist\/((?:src|bench)\/.+)\.js$/.exec(url) ?? [];
  return path === null ? null : `${path}.ts`;
}

function fits(rule: StageRule, { functionName, url }: Frame, path: string | null): boolean {
  if (rule.functions !== undefined && !rule.functions.includes(functionName)) return false;
  if (rule.module !== undefined) return url.startsWith(rule.module);
  if (rule.path === undefined) return url === '';
  if (rule.path.endsWith('/')) return path?.startsWith(rule.path) === true;
  return path === rule.path;
}
