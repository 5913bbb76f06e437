/** Which reads of a log go by way of the calling thread, and how to forbid them. */
import type { FileSystem } from '../../src/io/file-system.ts';
import { ioError } from '../../src/io/io-error.ts';
import type { Call } from './fault-plan.ts';

/** The reads that a `FaultyFileSystem` was asked for; give it `trace`. */
export class ReadProbe {
  /** On the calling thread. */
  readonly direct: Call[] = [];
  /** By way of the thread pool. */
  readonly pooled: Call[] = [];
  /** Called inside each read, when it is known of which kind it is: time may pass there. */
  onRead: (kind: 'direct' | 'pooled') => void = () => undefined;

  readonly trace = (_number: number, call: Call): void => {
    if (call.operation !== 'read') return;
    const kind = call.isSync === true ? 'direct' : 'pooled';
    this[kind].push(call);
    this.onRead(kind);
  };

  /** What was read since the last call: `direct`, `pooled`, `both` (a fallback), `none` = memory. */
  take(): 'direct' | 'pooled' | 'both' | 'none' {
    const [direct, pooled] = [this.direct.length > 0, this.pooled.length > 0];
    this.direct.length = 0;
    this.pooled.length = 0;
    if (direct && pooled) return 'both';
    if (direct) return 'direct';
    return pooled ? 'pooled' : 'none';
  }
}

/** Makes every file opened from now on refuse to read on the calling thread. */
export function forbidDirectReads<F extends FileSystem>(fileSystem: F): F {
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    file.readSync = (_into, position) => {
      throw ioError('EIO', { operation: 'read', path, position });
    };
    return file;
  };
  return fileSystem;
}
