/**
 * Opens a damaged log in each of its three ways and holds it to A6: reported with the exact place,
 * or torn and never acknowledged; with `skip` the gaps cover the damage and nothing else is lost.
 */
import { CorruptLogError } from '../../../src/core/errors.ts';
import type { Log } from '../../../src/log/log.ts';
import type { OnCorruption } from '../../../src/log/log-loader.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { plantDamage, type Damage, type Hit } from './damage.ts';
import { quietly } from './disk-checks.ts';
import { filesUnder } from './disk-reader.ts';
import type { Ending } from './oracle.ts';
import { difference, foundRecord, type FoundRecord } from './records.ts';
import { readLog, type FoundLog, type OffsetRange } from './found-log.ts';
import type { World } from './world.ts';

export interface DamageCase {
  readonly world: World;
  readonly damage: Damage;
  /** What the log held, by an open of the undamaged files. */
  readonly found: FoundLog;
  readonly image: (onCorruption: OnCorruption) => FaultyFileSystem;
}

/** Plants damage in a copy of the disk at rest and checks each way to open it. */
export async function checkDamage(world: World, ending: Ending): Promise<void> {
  const { plan, random, fileSystem } = world;
  const seed = world.seed;
  const clean = fileSystem.killImage({ inFlight: 'none' }, quietly(seed));
  const found = await foundIn(world, clean);
  const damaged = fileSystem.killImage({ inFlight: 'none' }, quietly(seed));
  const damage = plantDamage(damaged, plan.path, random);
  if (damage === null || found === null) return;
  // Below the start nobody reads: whether that is reported is nobody's loss.
  if (damage.hits.some(({ reach }) => reach <= found.startOffset)) return;
  world.tally.add('damages');
  world.narrate(`damage: ${JSON.stringify(damage)}`);
  const { oracle } = world;
  // Without a power cut nothing that was told as synced may look like a torn tail afterwards.
  if (ending !== 'power' && !damage.isCheckpointHit && damage.statedSynced < oracle.toldEnd) {
    oracle.fault('A6', `synced up to ${oracle.toldEnd}, stated ${damage.statedSynced} on the disk`);
  }
  const image = () => damaged.killImage({ inFlight: 'none' }, quietly(seed));
  const damageCase = { world, damage, found, image };
  await checkFail(damageCase);
  await checkSkip(damageCase);
  await checkReadOnly(damageCase);
}

async function foundIn(world: World, image: FaultyFileSystem): Promise<FoundLog | null> {
  const log = await world.openCopy(image, { onCorruption: 'fail' });
  try {
    return log.readOnly ? null : await readLog(log);
  } finally {
    await log.close();
  }
}

/** The hits in what R4 must protect; none when the first of them begins what may be torn off. */
function protectedHits({ damage, found }: DamageCase): readonly Hit[] {
  const { hits, statedSynced } = damage;
  const first = Math.max(hits[0]?.firstOffset ?? 0, found.startOffset);
  return first >= statedSynced ? [] : hits.filter((hit) => hit.firstOffset < statedSynced);
}

async function checkFail(damageCase: DamageCase): Promise<void> {
  const { world, damage } = damageCase;
  const error = await firstError(damageCase);
  const [hit] = protectedHits(damageCase);
  const fault = (what: string) => world.oracle.fault('A6', `${what} (${damage.what})`);
  if (hit === undefined) {
    const isHarmless = damage.hits.length === 0;
    if (error instanceof CorruptLogError && isHarmless) fault(`false alarm: ${error.message}`);
    return;
  }
  if (!(error instanceof CorruptLogError)) {
    fault(`not reported: ${hit.kind} at ${hit.position} of ${hit.file}; ${String(error)}`);
    return;
  }
  world.tally.add('alarms');
  const { file, position, firstOffset } = error.details;
  const isExact = damage.hits.some(
    (one) => one.file === file && one.position === position && one.firstOffset === firstOffset,
  );
  if (!isExact) fault(`reported at ${position} of ${file}, offset ${firstOffset ?? 'null'}`);
}

/** What opening, or else reading everything, rejects with; null for nothing. */
async function firstError({ world, image }: DamageCase): Promise<unknown> {
  let log: Log<Uint8Array>;
  try {
    log = await world.openCopy(image('fail'), { onCorruption: 'fail' });
  } catch (error) {
    return error;
  }
  try {
    const records = (await readLog(log)).records;
    for (const record of records) compareOne(world, record);
    return null;
  } catch (error) {
    return error;
  } finally {
    await log.close();
  }
}

async function checkSkip(damageCase: DamageCase): Promise<void> {
  const { world, image } = damageCase;
  const fileSystem = image('skip');
  const log = await world.openCopy(fileSystem, { onCorruption: 'skip' });
  const gaps: OffsetRange[] = [...log.recovery.gaps];
  const records = await readSkipping(log, gaps);
  checkLost(damageCase, { records, gaps });
  const { offset } = await log.append({ value: Uint8Array.of(1, 2, 3) });
  if ((await log.read(offset))?.value?.length !== 3)
    world.oracle.fault('A14', 'no append after skip');
  await log.close();
  world.tally.add('gaps', gaps.length);
  await checkSettled(damageCase, fileSystem, { records, endOffset: offset + 1 });
}

/** Opened once more after a repair: nothing is left to repair, and nothing else was lost. */
async function checkSettled(
  damageCase: DamageCase,
  fileSystem: FaultyFileSystem,
  before: { readonly records: readonly FoundRecord[]; readonly endOffset: number },
): Promise<void> {
  const { world, damage } = damageCase;
  const log = await world.openCopy(fileSystem, { onCorruption: 'fail' });
  const { gaps, cutBytes } = log.recovery;
  const records = await readSkipping(log, []);
  const isSame = log.endOffset === before.endOffset && records.length === before.records.length + 1;
  if (!isSame || gaps.length > 0 || cutBytes > 0) {
    world.oracle.fault(
      'A13',
      `a repair did not last: ${JSON.stringify(log.recovery)} (${damage.what})`,
    );
  }
  await log.close();
}

async function checkReadOnly(damageCase: DamageCase): Promise<void> {
  const { world, image, damage } = damageCase;
  const { path } = world.plan;
  const fileSystem = image('readonly');
  const before = filesUnder(fileSystem, path);
  const log = await world.openCopy(fileSystem, { onCorruption: 'readonly' });
  const gaps: OffsetRange[] = [];
  const records = await readSkipping(log, gaps);
  const { firstOffset = null } = log.recovery.damage ?? {};
  // Nothing whole follows the damage: the log ends there, and says why.
  if (firstOffset !== null && log.visibleOffset <= firstOffset) {
    gaps.push({ firstOffset, nextOffset: Number.POSITIVE_INFINITY });
  }
  checkLost(damageCase, { records, gaps });
  for (const [file, bytes] of log.readOnly ? filesUnder(fileSystem, path) : []) {
    if (Buffer.compare(bytes, before.get(file) ?? Buffer.alloc(0)) === 0) continue;
    world.oracle.fault('A6', `a read-only open wrote ${file} (${damage.what})`);
  }
  await log.close();
}

async function readSkipping(log: Log<Uint8Array>, gaps: OffsetRange[]): Promise<FoundRecord[]> {
  const records: FoundRecord[] = [];
  const onGap = (gap: OffsetRange) => void gaps.push(gap);
  for await (const batch of log.batches({ onCorruption: 'skip', onGap })) {
    for (const record of batch) records.push(foundRecord(record));
  }
  return records;
}

/** Every record is there but those that were hit; each missing one is in a gap, or torn off. */
function checkLost(
  damageCase: DamageCase,
  after: {
    readonly records: readonly FoundRecord[];
    readonly gaps: readonly OffsetRange[];
  },
): void {
  const { world, found, damage } = damageCase;
  const fault = (what: string) => world.oracle.fault('A6', `${what} (${damage.what})`);
  const { hits, statedSynced } = damage;
  const isIn = (offset: number, ranges: readonly OffsetRange[]) =>
    ranges.some(({ firstOffset, nextOffset }) => firstOffset <= offset && offset < nextOffset);
  const readable = new Set(after.records.map(({ offset }) => offset));
  for (const record of after.records) compareOne(world, record);
  for (const { offset } of found.records) {
    const isHit = isIn(offset, hits);
    const isTorn = offset >= statedSynced;
    if (readable.has(offset)) {
      if (isHit) fault(`offset ${offset} was damaged and is read`);
      continue;
    }
    if (!isHit && !isTorn) fault(`offset ${offset} was whole and is not read`);
    if (!isTorn && !isIn(offset, after.gaps)) fault(`offset ${offset} is missing, no gap says so`);
  }
  for (const { offset } of found.records) {
    if (isIn(offset, after.gaps) && readable.has(offset)) fault(`the gap holds offset ${offset}`);
  }
}

function compareOne(world: World, record: FoundRecord): void {
  const sent = world.oracle.expected(record.offset);
  const problem = sent === null ? 'nobody sent it' : difference(sent, record);
  if (problem !== null) world.oracle.fault('A2', `damage made offset ${record.offset}: ${problem}`);
}
