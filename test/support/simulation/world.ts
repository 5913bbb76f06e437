/** What all parts of one simulated seed share. */
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom, type Random } from '../../../src/core/random.ts';
import { openLog } from '../../../src/log/open-log.ts';
import type { Log } from '../../../src/log/log.ts';
import type { LogOptions } from '../../../src/log/log-options.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { TraceHash } from '../trace-hash.ts';
import type { Outcome } from '../drive.ts';
import { FaultInjector } from './fault-injector.ts';
import { Oracle } from './oracle.ts';
import type { SimulationPlan } from './plan.ts';
import { makeRecord, type SentRecord } from './records.ts';
import type { LogTally } from './tally.ts';

const RETENTION_CHECK_MS = 1000;
/** Steps of 10 ms in which nothing but time moves, after which the program is taken to hang. */
const IDLE_STEPS_MAX = 2000;

export class World {
  readonly seed: number;
  readonly plan: SimulationPlan;
  readonly tally: LogTally;
  /** A new one for each life: monotonic time begins anew, and a dead program's timers are gone. */
  clock = new ManualClock();
  readonly oracle = new Oracle();
  readonly injector: FaultInjector;
  readonly trace = new TraceHash();
  /** Decides what the program does; the disk, the faults and the engine have their own. */
  readonly random: Random;
  fileSystem: FaultyFileSystem;
  /** Latest wall time that anybody can have seen. */
  wallMaxMs = 0;
  /** Told what happens, for a person. */
  readonly narrate: (what: string) => void;
  readonly #engineRandom: Random;
  #nextId = 0;
  #openCount = 0;

  constructor(
    seed: number,
    plan: SimulationPlan,
    tally: LogTally,
    narrate: (what: string) => void,
  ) {
    this.seed = seed;
    this.plan = plan;
    this.tally = tally;
    this.narrate = narrate;
    this.random = new SeededRandom(seed ^ 0x0bad);
    this.#engineRandom = new SeededRandom(seed ^ 0xe41e);
    this.injector = new FaultInjector(new SeededRandom(seed ^ 0xfa17), plan.faults);
    const schedule = {
      random: new SeededRandom(seed ^ 0x5ced),
      ...(plan.hasSlowSyncs ? { slow: ['datasync' as const] } : {}),
    };
    this.fileSystem = new FaultyFileSystem({
      ...plan.disk,
      random: new SeededRandom(seed ^ 0xd15c),
      schedule: plan.isScheduled ? schedule : null,
      trace: (number, call) => {
        this.trace.record(number, call);
        const errno = this.injector.onCall(this.fileSystem, number, call);
        if (errno !== null) narrate(`fault: ${errno} for ${call.operation} of ${call.path}`);
      },
    });
  }

  noteTime(): void {
    this.wallMaxMs = Math.max(this.wallMaxMs, this.clock.now());
  }

  nextRecord(): SentRecord {
    return makeRecord(this.#nextId++, this.clock.now(), this.plan.records);
  }

  /** Opens a copy of the disk, for looking at it: time stands still there. */
  openCopy(
    fileSystem: FaultyFileSystem,
    changes: LogOptions<Uint8Array> = {},
  ): Promise<Log<Uint8Array>> {
    const clock = new ManualClock(this.clock.now());
    const random = new SeededRandom(this.seed);
    const retention = { retentionMs: null, retentionBytes: null };
    return this.open({ fileSystem, clock, random, ...retention, ...changes });
  }

  open(changes: LogOptions<Uint8Array> = {}): Promise<Log<Uint8Array>> {
    const { plan, clock, fileSystem } = this;
    const compression = plan.compressions[this.#openCount++ % plan.compressions.length];
    return openLog(plan.path, {
      ...plan.options,
      compression,
      retentionCheckMs: RETENTION_CHECK_MS,
      clock,
      fileSystem,
      random: this.#engineRandom,
      ...changes,
    });
  }

  /** Runs to the end or the crash; time moves when nothing else does. */
  drive<T>(work: Promise<T>): Promise<Outcome<T>> {
    const { clock, fileSystem } = this;
    let idleLeft = IDLE_STEPS_MAX;
    return fileSystem.drive(work, {
      onIdle: () => {
        if (clock.pendingTimerCount === 0 || idleLeft === 0) return false;
        idleLeft--;
        clock.advance(10);
        return true;
      },
    });
  }
}
