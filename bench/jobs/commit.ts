/**
 * Commits records over one or more partitions, one commit behind the other, and counts what the disk
 * is asked for.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import type { File, FileSystem } from '../../src/io/file-system.ts';
import type { Job } from '../core/job.ts';
import { makeRecords } from './records.ts';

export type CommitParameters = {
  /** Each commit appends one record to each. */
  readonly partitions: number;
  readonly valueBytes: number;
  /** Per run. */
  readonly commits: number;
};

export async function openJob(directory: string, parameters: CommitParameters): Promise<Job> {
  const { partitions, valueBytes, commits } = parameters;
  const path = join(directory, 'store');
  const [record] = makeRecords(1, { valueBytes });
  assert(record !== undefined, 'one record');
  return {
    async run() {
      const counter = { datasyncs: 0 };
      const store = await openStore(path, { fileSystem: counting(nodeFileSystem, counter) });
      const topic = await store.topic('t', { partitions });
      const appendsOf = async () => {
        const all = Array.from({ length: partitions }, (_, partition) =>
          topic.forCommit([record], { partition }),
        );
        return (await Promise.all(all)).flat();
      };
      await store.committer.commit({ appends: await appendsOf() }); // Opens the logs.
      counter.datasyncs = 0;
      const startMs = performance.now();
      for (let left = commits; left > 0; left--) {
        await store.committer.commit({ appends: await appendsOf() });
      }
      const ms = performance.now() - startMs;
      const { datasyncs } = counter;
      let bytes = 0;
      for (const log of topic.partitions.opened()) {
        const { endOffset, sizeBytes } = log.stats();
        assert(endOffset === commits + 1, 'every commit is in every log');
        bytes += sizeBytes;
      }
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes, records: commits, ms, extra: { datasyncsPerCommit: datasyncs / commits } };
    },
    close: () => Promise.resolve(),
  };
}

/** The same file system; each fdatasync is counted. */
function counting(fileSystem: FileSystem, counter: { datasyncs: number }): FileSystem {
  return new Proxy(fileSystem, {
    get(target, name) {
      if (name === 'open') {
        return async (...call: Parameters<FileSystem['open']>) =>
          countingFile(await target.open(...call), counter);
      }
      return methodOf(target, name);
    },
  });
}

function countingFile(file: File, counter: { datasyncs: number }): File {
  return new Proxy(file, {
    get(target, name) {
      if (name === 'datasync') counter.datasyncs++;
      return methodOf(target, name);
    },
  });
}

/** Private fields know only the object itself. */
function methodOf(target: object, name: string | symbol): unknown {
  const member: unknown = Reflect.get(target, name, target);
  return typeof member === 'function' ? member.bind(target) : member;
}
