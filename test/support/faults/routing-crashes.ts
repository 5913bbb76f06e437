/**
 * Stops a program that routes at each of its calls, and examines what a crash may leave there.
 *
 * One run to the end says what each crash leaves: only up to those that leave another disk, or more to
 * hold it to, does the program run anew.
 */
import { SeededRandom } from '../../../src/core/random.ts';
import type { CrashPoint, OnPoint } from '../call-gate.ts';
import type { Outcome } from '../drive.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import type { NextOptions } from '../faulty-file-system.ts';
import type { CountedPoint } from './crash-run.ts';
import { imageKey } from './image-key.ts';
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

/** When a program is stopped, or who is told where it could be. */
export type StopOptions = Pick<NextOptions, 'crashAt' | 'onPoint'>;

/** What a crash leaves. */
interface Wreck {
  readonly place: string;
  readonly crashAt: CrashPoint;
  readonly diskAt: (fileSystem: FaultyFileSystem) => Disk;
  readonly image: string;
  /** What is held against the store then. */
  readonly knowledge: string;
}

/** @param programWith  makes the program: it runs anew for each different wreck */
export async function crashRouting(
  points: Iterable<CountedPoint>,
  programWith: (options: StopOptions) => StoppedProgram,
  tally: Tally,
): Promise<void> {
  const all = [...points];
  const wrecks = await wrecksAt(all, programWith, tally);
  const seen = new Set<string>();
  for (const { call, when, pointCount } of all) {
    tally.count('crash points', pointCount);
    const left = wrecks.get(`${when} ${call}`) ?? [];
    if (left.length === 0) tally.fail(`${when} call ${call}`, new Error('it does not come there'));
    for (const wreck of left) {
      tally.count('disks');
      const key = `${wreck.knowledge} ${wreck.image}`;
      if (seen.has(key)) continue;
      seen.add(key);
      tally.count('different disks');
      await examine(wreck, programWith({ crashAt: wreck.crashAt }), tally);
    }
  }
}

/** What a crash leaves at each point; what readers have seen is on the disk at all of them. */
async function wrecksAt(
  points: readonly CountedPoint[],
  programWith: (options: StopOptions) => StoppedProgram,
  tally: Tally,
): Promise<ReadonlyMap<string, readonly Wreck[]>> {
  const numbers = new Map(points.map(({ call, when }, number) => [`${when} ${call}`, number]));
  const wrecks = new Map<string, readonly Wreck[]>();
  const onPoint: OnPoint = (crashAt) => {
    const { call, when } = crashAt;
    const number = numbers.get(`${when} ${call}`);
    if (number === undefined) return;
    const { life } = program;
    const stopped = life.world.fileSystem.stopped(new SeededRandom(number));
    const lost = lostOf(life.seen, syncedAlone(stopped));
    if (lost.length > 0) tally.fail(`${when} call ${call}`, new Error(lost.slice(0, 3).join('; ')));
    const isAhead = stopped.unsynced().some(({ path }) => JOURNAL.test(path));
    const disksAt = [(fileSystem: FaultyFileSystem) => diskOf(fileSystem, number)];
    // What was written down may be ahead of what it is about.
    if (when === 'after' && isAhead) disksAt.push(journalAlone);
    const left = disksAt.map((diskAt) => {
      const { name, isPowerCut, fileSystem } = diskAt(stopped);
      const place = `crash ${when} call ${call}: ${name}`;
      const knowledge = life.knowledgeAfter(isPowerCut);
      return { place, crashAt, diskAt, image: imageKey(fileSystem), knowledge };
    });
    wrecks.set(`${when} ${call}`, left);
  };
  const program = programWith({ onPoint });
  await program.run();
  return wrecks;
}

async function examine(wreck: Wreck, program: StoppedProgram, tally: Tally): Promise<void> {
  const { place, diskAt, image } = wreck;
  const { status } = await program.run();
  const { life } = program;
  const disk = diskAt(life.world.fileSystem);
  if (status !== 'crashed') return tally.fail(place, new Error(`it is ${status}`));
  if (imageKey(disk.fileSystem) !== image)
    return tally.fail(place, new Error('it is not the disk that the run to the end left there'));
  const problems = await life.check(disk.fileSystem, disk.isPowerCut);
  if (problems.length === 0) return;
  tally.fail(place, new Error(problems.slice(0, 3).join('; ')));
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
