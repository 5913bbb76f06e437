/** Stops a program that routes at each of its calls, and examines what a crash may leave there. */
import { SeededRandom } from '../../../src/core/random.ts';
import type { CrashPoint } from '../call-gate.ts';
import type { Outcome } from '../drive.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import type { CountedPoint } from './crash-run.ts';
import type { RoutingLife } from './routing-life.ts';
import { lostOf } from './seen-logs.ts';
import type { Tally } from './tally.ts';

export interface StoppedProgram {
  readonly life: RoutingLife;
  run(): Promise<Outcome<void>>;
}

interface Disk {
  readonly name: string;
  readonly isPowerCut: boolean;
  readonly fileSystem: FaultyFileSystem;
}

/** Segments of the journal. */
const JOURNAL = /\/journal\/\d+\.log$/;

/** @param programAt  makes the program that is stopped there: it runs anew for each disk */
export async function crashRouting(
  points: Iterable<CountedPoint>,
  programAt: (crashAt: CrashPoint) => StoppedProgram,
  tally: Tally,
): Promise<void> {
  let number = 0;
  for (const { pointCount, ...crashAt } of points) {
    const stop = new Stop(programAt, crashAt, tally);
    const disk = number;
    tally.count('crash points', pointCount);
    await stop.examine((fileSystem) => diskOf(fileSystem, disk));
    // What was written down may be ahead of what it is about.
    if (crashAt.when === 'after' && stop.hasUnsyncedJournal) await stop.examine(journalAlone);
    number += 1;
  }
}

/** One crash point. */
class Stop {
  readonly #programAt: (crashAt: CrashPoint) => StoppedProgram;
  readonly #crashAt: CrashPoint;
  readonly #tally: Tally;
  hasUnsyncedJournal = false;

  constructor(
    programAt: (crashAt: CrashPoint) => StoppedProgram,
    crashAt: CrashPoint,
    tally: Tally,
  ) {
    this.#programAt = programAt;
    this.#crashAt = crashAt;
    this.#tally = tally;
  }

  async examine(diskAt: (fileSystem: FaultyFileSystem) => Disk): Promise<void> {
    const { call, when } = this.#crashAt;
    const program = this.#programAt(this.#crashAt);
    const { status } = await program.run();
    const { life } = program;
    const { fileSystem } = life.world;
    const disk = diskAt(fileSystem);
    const place = `crash ${when} call ${call}: ${disk.name}`;
    this.hasUnsyncedJournal = fileSystem.unsynced().some(({ path }) => JOURNAL.test(path));
    this.#tally.count('disks');
    if (status !== 'crashed') return this.#tally.fail(place, new Error(`it is ${status}`));
    const problems = [
      ...lostOf(life.seen, syncedAlone(fileSystem)),
      ...(await life.check(disk.fileSystem, disk.isPowerCut)),
    ];
    if (problems.length === 0) return;
    this.#tally.fail(place, new Error(problems.slice(0, 3).join('; ')));
  }
}

/** One disk per crash point, another at the next. */
function diskOf(fileSystem: FaultyFileSystem, number: number): Disk {
  const random = new SeededRandom(number);
  const next = { schedule: null, random: new SeededRandom(number), crashAt: null };
  switch (number % 5) {
    case 0:
      return { name: 'what was synced', isPowerCut: true, fileSystem: syncedAlone(fileSystem) };
    case 1:
      return {
        name: 'kill, none in flight',
        isPowerCut: false,
        fileSystem: fileSystem.killImage({ inFlight: 'none' }, next),
      };
    case 2:
      return {
        name: 'kill, some in flight',
        isPowerCut: false,
        fileSystem: fileSystem.killImage({ inFlight: 'random', random }, next),
      };
    default:
      return {
        name: 'a power cut',
        isPowerCut: true,
        fileSystem: fileSystem.crashImage({ random }, next),
      };
  }
}

function syncedAlone(fileSystem: FaultyFileSystem): FaultyFileSystem {
  const next = { schedule: null, random: new SeededRandom(0), crashAt: null };
  return fileSystem.crashImage({ data: 'none', names: 'none' }, next);
}

function journalAlone(fileSystem: FaultyFileSystem): Disk {
  const next = { schedule: null, random: new SeededRandom(0), crashAt: null };
  const choice = { data: { in: JOURNAL }, names: 'all' } as const;
  return {
    name: 'a power cut, all of the journal',
    isPowerCut: true,
    fileSystem: fileSystem.crashImage(choice, next),
  };
}
