/** Packages of `bench/peers`, which has a package.json of its own. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../tools/package-root.ts';
import { UnavailableError } from '../core/job.ts';

/** @throws UnavailableError when the peers are not installed */
export function loadPeer(name: string): unknown {
  const require = createRequire(join(packageRoot(), 'bench', 'peers', 'package.json'));
  try {
    return require(name);
  } catch (error) {
    const isMissing =
      error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    if (!isMissing) throw error;
    throw new UnavailableError('not installed: npm run bench:peers', { cause: error });
  }
}

/** The version that is installed of a package that was loaded. */
export function peerVersion(name: string): string {
  const path = join(packageRoot(), 'bench', 'peers', 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }).version;
}

/** As Varve's jobs have them: `key-000000000042`, 16 bytes. */
export function keyOf(record: number): string {
  return `key-${String(record).padStart(12, '0')}`;
}
