/** SQLite as tests use it: that of Node.js, or else better-sqlite3, which `bench/peers` has. */
import { join } from 'node:path';

import { UnavailableError } from '../../bench/core/job.ts';
import { loadPeer } from '../../bench/jobs/load-peer.ts';
import { packageRoot } from '../../tools/package-root.ts';

const PEERS = join(packageRoot(), 'bench', 'peers', 'package.json');
const IMPORT = "import { DatabaseSync } from 'node:sqlite';";

type SqlValue = number | string;

/** What both have. */
export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...values: readonly SqlValue[]): unknown;
    all(...values: readonly SqlValue[]): readonly unknown[];
  };
  close(): unknown;
}

type OpenDatabase = new (path: string) => Database;

/** From 22.13 on without a flag. */
export const isInNode = typeof builtIn() === 'object';

/** Null when there is neither. */
export const sqlite: OpenDatabase | null = load();

/** Why tests that need it skip; null = they do not. */
export const whyNoSqlite =
  sqlite === null ? 'no node:sqlite before Node.js 22.13, and no npm run bench:peers' : null;

/** A program that asks for `node:sqlite`, as this Node.js can run it. */
export function withSqlite(source: string): string {
  if (!source.includes(IMPORT)) throw new Error(`the program has no line ${IMPORT}`);
  if (isInNode) return source;
  const lines = [
    "import { createRequire } from 'node:module';",
    `const DatabaseSync = createRequire(${JSON.stringify(PEERS)})('better-sqlite3');`,
  ];
  return source.replace(IMPORT, lines.join('\n'));
}

function load(): OpenDatabase | null {
  const loaded = builtIn();
  if (loaded !== undefined) return (loaded as { readonly DatabaseSync: OpenDatabase }).DatabaseSync;
  try {
    return loadPeer('better-sqlite3') as OpenDatabase;
  } catch (error) {
    if (error instanceof UnavailableError) return null;
    throw error;
  }
}

/** Undefined when this Node.js has none. */
function builtIn(): object | undefined {
  return process.getBuiltinModule('node:sqlite');
}
