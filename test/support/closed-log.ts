/** The log in `/data` as it stands, for parts of the engine that read: nobody has it open. */
import { ManualClock } from '../../src/core/clock.ts';
import type { FileSystem } from '../../src/io/file-system.ts';
import { DirectReads } from '../../src/log/direct-reads.ts';
import { HandleCache } from '../../src/log/handle-cache.ts';
import { IndexCache } from '../../src/log/index-cache.ts';
import { LogDirectory } from '../../src/log/log-directory.ts';
import { LogMarks } from '../../src/log/marks.ts';
import type { ReadableLog } from '../../src/log/readable-log.ts';
import { SegmentList } from '../../src/log/segment-list.ts';
import { LOG_PATH } from './log-fixture.ts';
import { walkSegment } from './segment-walk.ts';

export class ClosedLog {
  readonly log: ReadableLog;

  private constructor(log: ReadableLog) {
    this.log = log;
  }

  static async open(fileSystem: FileSystem): Promise<ClosedLog> {
    const { segments } = await new LogDirectory(fileSystem, LOG_PATH).list();
    const list = new SegmentList(segments);
    const { last } = list;
    if (last === null) throw new Error('there is no segment');
    const { header, batches } = await walkSegment(fileSystem, last.path);
    const endOffset = batches.at(-1)?.nextOffset ?? header.baseOffset;
    const startOffset = list.all[0]?.baseOffset ?? 0;
    return new ClosedLog({
      path: LOG_PATH,
      logId: header.logId,
      marks: new LogMarks({ startOffset, endOffset }),
      segments: list,
      handles: new HandleCache(fileSystem, 4),
      indexes: new IndexCache(),
      directReads: new DirectReads(new ManualClock()),
      follower: null,
      readOnlyCause: null,
    });
  }

  close(): Promise<void> {
    return this.log.handles.close();
  }
}
