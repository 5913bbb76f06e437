/** The same random operations on every implementation: the same answers, errors and contents. */
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { IoError } from '../../../src/core/errors.ts';
import type { File, FileSystem, OpenMode } from '../../../src/io/file-system.ts';
import { FILE_SYSTEMS } from '../../support/file-systems.ts';

const NAMES = ['a', 'b', 'd', 'd/a', 'd/e', 'd/e/a', 'a/x'];
const path = fc.constantFrom(...NAMES);
const handle = fc.nat(3);
const position = fc.nat(3000);

type Step =
  | { readonly do: 'open'; readonly path: string; readonly mode: OpenMode }
  | { readonly do: 'write' | 'writeSync'; readonly handle: number; readonly position: number }
  | { readonly do: 'read' | 'readSync'; readonly handle: number; readonly position: number }
  | { readonly do: 'truncate'; readonly handle: number; readonly position: number }
  | { readonly do: 'datasync' | 'close' | 'statFile'; readonly handle: number }
  | { readonly do: 'rename'; readonly path: string; readonly to: string }
  | {
      readonly do: 'mkdir' | 'rmdir' | 'list' | 'stat' | 'unlink' | 'sync';
      readonly path: string;
    };

type HandleStep = Extract<Step, { readonly handle: number }>;

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('open' as const),
    path,
    mode: fc.constantFrom<OpenMode>('read', 'write', 'create'),
  }),
  fc.record({ do: fc.constantFrom('write', 'writeSync', 'read', 'readSync'), handle, position }),
  fc.record({ do: fc.constant('truncate' as const), handle, position }),
  fc.record({ do: fc.constantFrom('datasync', 'close', 'statFile'), handle }),
  fc.record({ do: fc.constant('rename' as const), path, to: path }),
  fc.record({ do: fc.constantFrom('mkdir', 'rmdir', 'list', 'stat', 'unlink', 'sync'), path }),
);

test('memory and the faulty twin answer as the kernel does', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const results: unknown[] = [];
    for (const name of ['node', 'memory', 'faulty, without faults']) {
      const made = await FILE_SYSTEMS[name]?.();
      if (made === undefined) throw new Error(`no file system ${name}`);
      results.push(await run(made.fileSystem, made.root, steps));
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });
  // Found by chance, once in many runs: a file in the place of the directory that it is in.
  const upwards: Step[] = [
    { do: 'mkdir', path: 'd/e' },
    { do: 'open', path: 'd/e/a', mode: 'create' },
    { do: 'rename', path: 'd/e/a', to: 'd/e' },
    { do: 'rename', path: 'd/e/a', to: 'd' },
  ];
  await fc.assert(property, { numRuns: 150, examples: [[upwards]] });
});

/** The answer of each step: a value, or the name of an error. */
async function run(fs: FileSystem, root: string, steps: readonly Step[]): Promise<unknown[]> {
  const files: File[] = [];
  const answers: unknown[] = [];
  for (const each of steps) {
    try {
      answers.push(await perform({ fs, root, files }, each));
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
      answers.push(error.details.errno);
    }
  }
  for (const file of files) await file.close();
  return answers;
}

interface World {
  readonly fs: FileSystem;
  readonly root: string;
  readonly files: File[];
}

async function perform(world: World, each: Step): Promise<unknown> {
  if ('handle' in each) {
    const file = world.files[each.handle];
    return file === undefined ? 'no file' : performOn(file, each);
  }
  const { fs, root } = world;
  const at = join(root, each.path);
  switch (each.do) {
    case 'open':
      world.files.unshift(await fs.open(at, each.mode));
      return 'opened';
    case 'rename':
      return fs.rename(at, join(root, each.to));
    case 'mkdir':
      return fs.makeDirectory(at);
    case 'list':
      return (await fs.list(at)).sort();
    case 'stat': {
      const { kind, sizeBytes, linkCount } = await fs.stat(at);
      return kind === 'file' ? { kind, sizeBytes, linkCount } : kind;
    }
    case 'rmdir':
      return fs.removeDirectory(at);
    case 'unlink':
      return fs.unlink(at);
    case 'sync':
      return fs.syncDirectory(at);
    default:
      throw new Error('no such step');
  }
}

async function performOn(file: File, each: HandleStep): Promise<unknown> {
  switch (each.do) {
    case 'write':
      return file.write(new Uint8Array(each.position % 700).fill(each.position), each.position);
    case 'writeSync':
      return file.writeSync(new Uint8Array(each.position % 70).fill(each.position), each.position);
    case 'read': {
      const into = new Uint8Array(1000);
      return [await file.read(into, each.position), Buffer.from(into).toString('hex')];
    }
    case 'readSync': {
      const into = new Uint8Array(100);
      return [file.readSync(into, each.position), Buffer.from(into).toString('hex')];
    }
    case 'truncate':
      return file.truncate(each.position);
    case 'datasync':
      return file.datasync();
    case 'close':
      return file.close();
    case 'statFile': {
      const { kind, sizeBytes, linkCount } = await file.stat();
      return { kind, sizeBytes, linkCount };
    }
    default:
      throw new Error('no such step');
  }
}
