/**
 * Fixed programs that use a log in every way there is. An exhaustive test stops them at each of
 * their file-system calls, or fails that call.
 *
 * They check nothing themselves: each call goes through `Life`, which tells the oracle. They go on
 * after a refused call as a program would that logs the error.
 */
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { damage } from '../disk-damage.ts';
import { Life, LOG_PATH, type Options } from './life.ts';
import { Oracle } from './oracle.ts';

export interface Workload {
  readonly name: string;
  readonly options: Options;
  /** Makes what is there before: everything is on the disk when the program begins. */
  readonly prepare: (options: Options) => Promise<Prepared>;
  readonly run: (life: Life, options: Options) => Promise<void>;
}

/** A disk, and what the oracle knows of it. */
export interface Prepared {
  readonly fileSystem: FaultyFileSystem;
  readonly oracle: Oracle;
}

const TINY: Options = { segmentBytesMax: 4096, batchBytesMax: 1024 };

const inAnyOrder: readonly number[] = [60, 900, 120, 500];

/** (a) One append after the other, with a pause in which the checkpoint is synced. */
const appendOneByOne: Workload = {
  name: 'append at sync, one by one',
  options: { durability: 'sync' },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    if (!(await life.open(options))) return;
    for (const valueBytes of inAnyOrder) await life.append(valueBytes);
    await life.pass(60);
    await life.append(700);
    await life.append(30);
  },
};

/** (a) Several at once, while others are written and synced. */
const appendGrouped: Workload = {
  name: 'append at sync, grouped',
  options: { durability: 'sync' },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    if (!(await life.open(options))) return;
    const first = inAnyOrder.map((valueBytes) => life.append(valueBytes));
    await first[0];
    const second = [life.append(40), life.appendBatch([300, 300, 300]), life.append(20, 'os')];
    await Promise.all([...first, ...second]);
    await life.pass(300);
    await Promise.all([life.append(600), life.append(60)]);
  },
};

/** (b) Nobody waits for a sync, but for one call of it and one append. */
const appendAtOs: Workload = {
  name: 'append at os',
  options: { durability: 'os' },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    if (!(await life.open(options))) return;
    await life.append(100);
    await Promise.all(inAnyOrder.map((valueBytes) => life.append(valueBytes)));
    await life.pass(160);
    await life.append(300);
    await life.append(50, 'sync');
    await Promise.all([life.append(250), life.append(80, 'interval')]);
    await life.sync();
    await life.append(450);
    await life.pass(60);
    await life.append(90);
  },
};

/** (b) Synced by a timer. */
const appendAtInterval: Workload = {
  name: 'append at interval',
  options: { durability: 'interval', flushMs: 200 },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    if (!(await life.open(options))) return;
    await life.append(200);
    await life.append(700);
    await life.pass(210);
    await Promise.all([life.append(100), life.append(30, 'os')]);
    await life.pass(60);
    await life.append(400);
    await life.pass(210);
    await life.append(60);
  },
};

/** (c) Tiny segments fill and roll, everything synced at once. */
const rollAtSync: Workload = {
  name: 'roll at sync',
  options: { ...TINY, durability: 'sync' },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    if (!(await life.open(options))) return;
    for (let round = 0; round < 4; round++) {
      await Promise.all([life.append(900), life.append(700), life.append(300)]);
      await life.append(400);
    }
  },
};

/** (d) Tiny segments fill and roll, synced in the background. */
const rollAtOs: Workload = {
  name: 'roll at os',
  options: { ...TINY, durability: 'os' },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    if (!(await life.open(options))) return;
    for (let round = 0; round < 3; round++) {
      await Promise.all([life.append(900), life.append(700)]);
      await life.append(1200);
      if (round === 1) await life.pass(120);
    }
    await life.append(100);
    await life.append(300, 'sync');
    await life.appendBatch([900, 900, 900, 900, 900]);
  },
};

/** (e) The start moves to the middle of a segment, then past several. */
const deleteBefore: Workload = {
  name: 'delete before',
  options: { ...TINY, durability: 'sync' },
  prepare: severalSegments,
  async run(life, options) {
    if (!(await life.open(options))) return;
    const { startOffset, endOffset } = life.log;
    await life.deleteBefore(startOffset + 2);
    await life.append(200);
    await life.deleteBefore(endOffset - 3);
    await life.append(200);
    await life.deleteBefore(life.log.visibleOffset);
    await life.append(100);
  },
};

/** (e) The same where the log's end is not synced when its start moves. */
const deleteBeforeAtOs: Workload = {
  name: 'delete before at os',
  options: { ...TINY, durability: 'os' },
  prepare: severalSegments,
  async run(life, options) {
    if (!(await life.open(options))) return;
    await Promise.all([life.append(900), life.append(800)]);
    await life.deleteBefore(life.log.visibleOffset - 1);
    await life.append(200);
    await life.deleteBefore(life.log.visibleOffset);
    await life.append(100);
  },
};

/** (e) Retention by size in the background of each roll, then by age when asked. */
const retention: Workload = {
  name: 'retention',
  options: { ...TINY, durability: 'sync', retentionBytes: 9000, retentionMs: 3_600_000 },
  prepare: severalSegments,
  async run(life, options) {
    life.oracle.startMoves(Number.MAX_SAFE_INTEGER); // It moves by itself, whenever it likes.
    if (!(await life.open(options))) return;
    life.oracle.startMoves(Number.MAX_SAFE_INTEGER);
    for (let round = 0; round < 3; round++) {
      await Promise.all([life.append(900), life.append(700), life.append(900)]);
    }
    await life.pass(7_200_000);
    await life.append(100);
    await life.retain();
    await life.append(100);
  },
};

/** (f) Closed and opened again, twice; the second time nothing was appended. */
const closeAndReopen: Workload = {
  name: 'close and reopen',
  options: { ...TINY, durability: 'os' },
  prepare: (options) => existingLog(options),
  async run(life, options) {
    for (const count of [6, 0, 2]) {
      if (!(await life.open(options))) return;
      for (let index = 0; index < count; index++) await life.append(800);
      if (!(await life.close())) return;
    }
  },
};

/** (h) The disk fills up, appends are refused, space comes back. */
const diskFull: Workload = {
  name: 'disk full',
  options: { ...TINY, durability: 'sync' },
  prepare: (options) => existingLog(options, { reserveBytes: 8192 }),
  async run(life, options) {
    const { fileSystem } = life;
    if (!(await life.open(options))) return;
    await life.append(600);
    const used = fileSystem.disk.tree.usedBytes;
    fileSystem.capacityBytes = used + 2000;
    for (let index = 0; index < 4; index++) await life.append(700);
    fileSystem.capacityBytes = used + 1_000_000;
    for (let index = 0; index < 4; index++) await life.append(900);
    fileSystem.capacityBytes = fileSystem.disk.tree.usedBytes + 100;
    await Promise.all([life.append(500), life.append(900)]);
    fileSystem.capacityBytes = 2 ** 40;
    await life.append(300);
  },
};

/** (i) A log is made where there was nothing, not even the directories above it. */
const init: Workload = {
  name: 'open of a new directory',
  options: { durability: 'sync' },
  prepare: () => Promise.resolve({ fileSystem: emptyDisk(), oracle: new Oracle() }),
  async run(life, options) {
    if (!(await life.open(options))) return;
    await life.append(100);
    if (!(await life.close()) || !(await life.open(options))) return;
    await life.append(100);
  },
};

export const WORKLOADS: readonly Workload[] = [
  appendOneByOne,
  appendGrouped,
  appendAtOs,
  appendAtInterval,
  rollAtSync,
  rollAtOs,
  deleteBefore,
  deleteBeforeAtOs,
  retention,
  closeAndReopen,
  diskFull,
  init,
];

interface Preparation {
  /** Of the file `reserve`; none of them is a megabyte, which is most of what a copy costs. */
  readonly reserveBytes?: number;
  readonly sectorBytes?: 512 | 4096;
}

function emptyDisk(sectorBytes: 512 | 4096 = 512): FaultyFileSystem {
  return new FaultyFileSystem({ random: new SeededRandom(1), sectorBytes });
}

/** A log with two records, cleanly closed, all of it on the disk. */
export function existingLog(options: Options, preparation: Preparation = {}): Promise<Prepared> {
  return prepared(options, preparation, async (life) => {
    await life.append(150);
    await life.append(250);
  });
}

/** A log with four segments, cleanly closed. */
function severalSegments(options: Options): Promise<Prepared> {
  const keepingAll = { ...options, retentionBytes: null, retentionMs: null };
  return prepared(keepingAll, {}, async (life) => {
    for (let index = 0; index < 15; index++) await life.append(850);
  });
}

async function prepared(
  options: Options,
  preparation: Preparation,
  fill: (life: Life) => Promise<void>,
): Promise<Prepared> {
  const { reserveBytes = 1, sectorBytes = 512 } = preparation;
  const fileSystem = emptyDisk(sectorBytes);
  const life = new Life(fileSystem, new Oracle());
  await life.open(options);
  await fill(life);
  await life.close();
  if (life.errors.length > 0) throw life.errors[0];
  damage(fileSystem, `${LOG_PATH}/reserve`, () => new Uint8Array(reserveBytes));
  const disk = fileSystem.crashImage({ data: 'all', names: 'all' });
  return { fileSystem: disk, oracle: life.oracle };
}
