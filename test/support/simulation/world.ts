/** What all parts of one simulated seed share. */
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogOptions } from '../../../src/log/log-options.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { Machine } from './machine.ts';
import { Oracle } from './oracle.ts';
import { drawPlan } from './plan.ts';
import { makeRecord, withSharedKey, type SentRecord } from './records.ts';
import type { LogTally, LogTallyKey } from './tally.ts';

const RETENTION_CHECK_MS = 1000;
/** How a log is compacted, if it is: keys of it come again soon. */
const COMPACTION = {
  compaction: 'key',
  compactionShareMin: 0.2,
  tombstoneRetentionMs: 2000,
} as const;
const KEYS = 7;

export class World extends Machine<LogTallyKey> {
  readonly oracle = new Oracle();
  /** Latest wall time that anybody can have seen. */
  wallMaxMs = 0;
  #openCount = 0;

  constructor(seed: number, tally: LogTally, narrate: (what: string) => void) {
    super(
      { seed, plan: drawPlan(seed), tally, narrate },
      { stepMs: 10, stepsMax: 2000, stepsWithoutRoom: null },
    );
    this.oracle.isCompacted = this.plan.compacts;
  }

  override complaints(): readonly string[] {
    return [...this.oracle.violations, ...super.complaints()];
  }

  noteTime(): void {
    this.wallMaxMs = Math.max(this.wallMaxMs, this.clock.now());
  }

  nextRecord(): SentRecord {
    const record = makeRecord(this.nextId(), this.clock.now(), this.plan.records);
    return this.plan.compacts ? withSharedKey(record, KEYS) : record;
  }

  /** Opens a copy of the disk, for looking at it: time stands still there. */
  openCopy(
    fileSystem: FaultyFileSystem,
    changes: LogOptions<Uint8Array> = {},
  ): Promise<Log<Uint8Array>> {
    const clock = new ManualClock(this.clock.now());
    const random = new SeededRandom(this.seed);
    const keepingAll = { retentionMs: null, retentionBytes: null, compaction: 'off' } as const;
    return this.open({ fileSystem, clock, random, ...keepingAll, ...changes });
  }

  open(changes: LogOptions<Uint8Array> = {}): Promise<Log<Uint8Array>> {
    const { plan, clock, fileSystem } = this;
    const compression = plan.compressions[this.#openCount++ % plan.compressions.length];
    return openLog(plan.path, {
      ...plan.options,
      ...(plan.compacts ? COMPACTION : {}),
      compression,
      retentionCheckMs: RETENTION_CHECK_MS,
      clock,
      fileSystem,
      random: this.engineRandom,
      ...changes,
    });
  }
}
