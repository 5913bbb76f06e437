/**
 * Crashes inside recovery: of the disks that crashes of a workload leave, those whose recovery does
 * something else each are recovered with a crash at every call, and what that leaves likewise.
 */
import { present } from '../../../src/core/assert.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { CrashPoint } from '../call-gate.ts';
import type { Call } from '../fault-plan.ts';
import type { FaultyFileSystem, NextOptions } from '../faulty-file-system.ts';
import {
  callsOf,
  crashPointsOf,
  disksAfterCrash,
  Examiner,
  nameOf,
  runOn,
  type CrashedDisk,
} from './crash-run.ts';
import { imageKey } from './image-key.ts';
import { openOn } from './life.ts';
import type { Oracle } from './oracle.ts';
import { Stops } from './stops.ts';
import type { Tally } from './tally.ts';
import type { Workload } from './workloads.ts';

/** A disk to recover, as a crash left it. */
export interface Wreck {
  readonly disk: CrashedDisk;
  readonly oracle: Oracle;
  /** The crashes that led here. */
  readonly story: string;
}

export interface RecoveryOptions {
  readonly seed: number;
  /** Wrecks of the workload to take, and of each further level. */
  readonly wrecksMax: readonly number[];
  readonly randomCount: number;
}

/** Recoveries are long: each of their crash points leaves many disks that differ little. */
const LIFE = 40;

export async function crashInRecovery(
  workload: Workload,
  tally: Tally,
  options: RecoveryOptions,
): Promise<void> {
  const { wrecksMax, seed } = options;
  const examiner = new Examiner(workload, tally);
  let wrecks = await wrecksOf(workload, { seed, wrecksMax: wrecksMax[0] ?? 0 });
  for (let level = 1; level <= wrecksMax.length; level++) {
    const chooser = new WreckChooser(workload, wrecksMax[level] ?? 0);
    for (const wreck of wrecks) {
      tally.count(`recoveries crashed at level ${level}`);
      await crashEveryCall(wreck, { workload, examiner, chooser, tally, options });
    }
    wrecks = chooser.chosen;
  }
}

interface Context {
  readonly workload: Workload;
  readonly examiner: Examiner;
  readonly chooser: WreckChooser;
  readonly tally: Tally;
  readonly options: RecoveryOptions;
}

async function crashEveryCall(wreck: Wreck, context: Context): Promise<void> {
  const { workload, examiner, chooser, tally, options } = context;
  const { oracle } = wreck;
  const calls = await recoveryCalls(wreck.disk.fileSystem, workload);
  const stops = await recoveryStops(wreck, workload);
  for (const crashAt of crashPointsOf(calls)) {
    const { call, when, pointCount } = crashAt;
    const stop = stops.at(crashAt);
    tally.count('crash points', pointCount);
    const place = `${wreck.story}, then ${when} call ${call} (${nameOf(calls[call - 1])})`;
    if (stop === null) {
      tally.fail(place, new Error('recovery does not come there'));
      continue;
    }
    if (!examiner.isNewCrash(stop, wreck.disk.mishap)) continue;
    const { randomCount } = options;
    for (const disk of disksAfterCrash(stop.fileSystem, { seed: call, randomCount })) {
      const story = `${place}, ${disk.name}`;
      await chooser.offer({ disk, oracle: oracle.after(disk.mishap), story });
      await examiner.examine(disk, oracle, place);
    }
  }
}

/** The disks of a workload's crashes whose recoveries differ most. */
export async function wrecksOf(
  workload: Workload,
  options: { readonly seed: number; readonly wrecksMax: number },
): Promise<readonly Wreck[]> {
  const { seed, wrecksMax } = options;
  const chooser = new WreckChooser(workload, wrecksMax);
  const prepared = await workload.prepare(workload.options);
  const calls = await callsOf(workload, prepared, seed);
  const stops = new Stops<Oracle>();
  await runOn(workload, prepared, { seed, stops });
  for (let call = 1; call <= calls.length; call++) {
    // Inside one that changes nothing is before it.
    const { fileSystem, known: oracle } = present(
      stops.at({ call, when: 'inside' }) ?? stops.at({ call, when: 'before' }),
      `it comes to call ${call}`,
    );
    for (const disk of disksAfterCrash(fileSystem, { seed: call, randomCount: 2 })) {
      const story = `${workload.name}: SEED=${seed} crash inside call ${call}, ${disk.name}`;
      await chooser.offer({ disk, oracle: oracle.after(disk.mishap), story });
    }
  }
  return chooser.chosen;
}

/** Programs that open what crashes of `workload` left, and go on. */
export async function recoveriesOf(
  workload: Workload,
  options: { readonly seed: number; readonly wrecksMax: number },
): Promise<readonly Workload[]> {
  const wrecks = await wrecksOf(workload, options);
  return wrecks.map(({ disk, oracle, story }) => ({
    name: `recovery after ${story}`,
    options: workload.options,
    prepare: () => Promise.resolve({ fileSystem: disk.fileSystem, oracle }),
    async run(life, opening) {
      if (!(await life.open(opening))) return;
      await life.append(300);
      await life.append(100, 'sync');
    },
  }));
}

/** Keeps one wreck for each way that a recovery goes, the rarest ways first. */
class WreckChooser {
  readonly #workload: Workload;
  readonly #wrecksMax: number;
  readonly #seen = new Set<string>();
  readonly #ways = new Map<string, { wreck: Wreck; count: number }>();

  constructor(workload: Workload, wrecksMax: number) {
    this.#workload = workload;
    this.#wrecksMax = wrecksMax;
  }

  get chosen(): readonly Wreck[] {
    const ways = [...this.#ways.values()].toSorted((one, other) => one.count - other.count);
    return ways.slice(0, this.#wrecksMax).map(({ wreck }) => wreck);
  }

  async offer(wreck: Wreck): Promise<void> {
    if (this.#wrecksMax === 0) return;
    const key = `${wreck.disk.mishap} ${imageKey(wreck.disk.fileSystem)}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const calls = await recoveryCalls(wreck.disk.fileSystem, this.#workload);
    const way = [wreck.disk.mishap, ...calls.map(wayOf)].join(' ');
    const known = this.#ways.get(way);
    if (known !== undefined) known.count += 1;
    else {
      const fileSystem = copyOf(wreck.disk.fileSystem);
      this.#ways.set(way, { wreck: { ...wreck, disk: { ...wreck.disk, fileSystem } }, count: 1 });
    }
  }
}

/** What a call does, without where exactly. */
function wayOf({ operation, path }: Call): string {
  return `${operation} ${path.replaceAll(/\d+/g, '')}`;
}

async function recoveryCalls(disk: FaultyFileSystem, workload: Workload): Promise<Call[]> {
  const calls: Call[] = [];
  const trace = (_number: number, call: Call) => void calls.push(call);
  await recover(copyOf(disk, { trace }), workload);
  return calls;
}

async function recoveryStops(wreck: Wreck, workload: Workload): Promise<Stops<Oracle>> {
  const stops = new Stops<Oracle>();
  const onPoint = (point: CrashPoint) => stops.add(point, fileSystem, wreck.oracle);
  const fileSystem: FaultyFileSystem = copyOf(wreck.disk.fileSystem, { onPoint });
  await recover(fileSystem, workload);
  return stops;
}

async function recover(fileSystem: FaultyFileSystem, workload: Workload): Promise<void> {
  const log = await openOn(fileSystem, workload.options, { number: LIFE });
  if (!fileSystem.isCrashed) await log.close();
}

/** The same cache and disk, untouched. */
function copyOf(
  fileSystem: FaultyFileSystem,
  watched: Pick<NextOptions, 'trace' | 'onPoint'> = {},
): FaultyFileSystem {
  const next = { schedule: null, random: new SeededRandom(1), trace: null, ...watched };
  return fileSystem.killImage({ inFlight: 'none' }, next);
}
