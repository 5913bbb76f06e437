/** The file system of the machine, with each fdatasync counted. */
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import type { File, FileSystem } from '../../src/io/file-system.ts';

export interface SyncCounter {
  datasyncs: number;
}

export function countingFileSystem(counter: SyncCounter): FileSystem {
  return new Proxy(nodeFileSystem, {
    get(target, name) {
      if (name === 'open') {
        return async (...call: Parameters<FileSystem['open']>) =>
          countingFile(await target.open(...call), counter);
      }
      return methodOf(target, name);
    },
  });
}

function countingFile(file: File, counter: SyncCounter): File {
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
