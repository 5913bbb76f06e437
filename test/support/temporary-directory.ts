/** Directories of one test, gone when it ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A fresh, empty directory of this test alone. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'varve-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
