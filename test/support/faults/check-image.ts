/** Opens what a crash left and holds it to everything that was promised. */
import { NotFoundError } from '../../../src/core/errors.ts';
import type { Log } from '../../../src/log/log.ts';
import type { RecoveryReport } from '../../../src/log/recovery-report.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { pathsOn } from './image-key.ts';
import { openOn, readAll, type Options } from './life.ts';
import type { Found, Mishap, Oracle } from './oracle.ts';

export interface Checked {
  readonly report: RecoveryReport;
  readonly recordCount: number;
}

/** Each opening of one image is another life: other ids, other times. */
const READ_ONLY_LIFE = 50;
const FIRST_LIFE = 51;
const SECOND_LIFE = 52;
const THIRD_LIFE = 53;

/**
 * Looks at the image read-only, recovers it, cuts the power at once, and goes on with what is left.
 *
 * @throws Error that says what is wrong, whatever it is
 */
export async function checkImage(
  image: FaultyFileSystem,
  oracle: Oracle,
  context: { readonly mishap: Mishap; readonly options: Options },
): Promise<Checked> {
  const { mishap, options } = context;
  const glimpsed = await glimpse(image, oracle, options);
  const first = await recover(image, options);
  const found = await readAll(first);
  complain('recovered', oracle.problems(found, mishap));
  if (found.epoch <= oracle.epoch) throw new Error(`epoch ${found.epoch} was used before`);
  if (glimpsed !== null) expectSame('the read-only look', glimpsed, found);
  await checkPointReads(first, found);
  const report = first.recovery;
  // Whoever read it now holds it for durable.
  const left = image.crashImage({ data: 'none', names: 'none' });
  await first.close();
  checkLeftovers(image, report);
  await goOn(left, found, options);
  return { report, recordCount: found.records.length };
}

/** What a reader in another process sees; null when there is no log yet. */
async function glimpse(
  image: FaultyFileSystem,
  oracle: Oracle,
  options: Options,
): Promise<Found | null> {
  const unsyncedCount = image.unsynced().length;
  try {
    const log = await openOn(image, { ...options, readOnly: true }, { number: READ_ONLY_LIFE });
    const found = await readAll(log);
    await log.close();
    return found;
  } catch (error) {
    if (!(error instanceof NotFoundError) || oracle.epoch > 0) throw error;
    return null;
  } finally {
    if (image.unsynced().length !== unsyncedCount) complain('read-only', ['something was written']);
  }
}

/** Opens for writing; on a full disk that may have to wait for room. */
async function recover(image: FaultyFileSystem, options: Options): Promise<Log<string>> {
  const log = await openOn(image, options, { number: FIRST_LIFE });
  if (!log.readOnly) return log;
  if (image.capacityBytes === 2 ** 40) {
    throw new Error(`read-only without a reason: ${log.recovery.notes.join('; ')}`);
  }
  await readAll(log);
  await log.close();
  image.capacityBytes = 2 ** 40;
  const again = await openOn(image, options, { number: FIRST_LIFE });
  if (again.readOnly) throw new Error('still read-only with room on the disk');
  return again;
}

async function checkPointReads(log: Log<string>, found: Found): Promise<void> {
  const { records } = found;
  const middle = Math.floor(records.length / 2);
  for (const record of new Set([records[0], records[middle], records.at(-1)])) {
    if (record === undefined) continue;
    const read = await log.read(record.offset);
    if (read?.value !== record.value) throw new Error(`read(${record.offset}) differs`);
  }
}

function checkLeftovers(image: FaultyFileSystem, report: RecoveryReport): void {
  const paths = pathsOn(image);
  const missing = report.quarantined.filter((path) => !paths.includes(path));
  complain('quarantined and not there', missing);
  complain(
    'left over',
    paths.filter((path) => path.endsWith('.tmp')),
  );
  complain('breach of the seam', image.violations);
  if (image.openFileCount !== 0) throw new Error(`${image.openFileCount} files left open`);
}

/** The second life: the same records, room for one more; the third finds nothing to do. */
async function goOn(image: FaultyFileSystem, before: Found, options: Options): Promise<void> {
  const keepingAll = { ...options, retentionBytes: null, retentionMs: null };
  const log = await openOn(image, keepingAll, { number: SECOND_LIFE });
  const found = await readAll(log);
  expectSame('after a power cut behind recovery', found, before);
  if (found.epoch <= before.epoch) throw new Error(`epoch ${found.epoch} was used before`);
  image.capacityBytes = 2 ** 40;
  const added = await log.append({ value: 'one more' }, { durability: 'sync' });
  if (added.offset !== found.endOffset) throw new Error(`appended at ${added.offset}`);
  await log.close();
  checkLeftovers(image, log.recovery);
  const third = await openOn(image, keepingAll, { number: THIRD_LIFE });
  const { outcome, cutBytes, notes } = third.recovery;
  if (outcome !== 'clean' || cutBytes !== 0) throw new Error(`closed, then opened as ${outcome}`);
  complain('notes of a clean opening', notes);
  const offset = found.endOffset;
  const endOffset = offset + 1;
  const records = [...found.records, { offset, value: 'one more' }];
  expectSame('after a close', await readAll(third), { ...found, endOffset, records });
  await third.close();
  checkLeftovers(image, third.recovery);
}

function expectSame(when: string, found: Found, before: Found): void {
  for (const bound of ['startOffset', 'endOffset'] as const) {
    if (found[bound] !== before[bound]) {
      throw new Error(`${when}: ${bound} is ${found[bound]}, was ${before[bound]}`);
    }
  }
  const differs = before.records.find(
    ({ offset, value }, at) =>
      found.records[at]?.offset !== offset || found.records[at]?.value !== value,
  );
  if (differs !== undefined) throw new Error(`${when}: offset ${differs.offset} differs`);
  if (found.records.length !== before.records.length) throw new Error(`${when}: other records`);
}

function complain(what: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${what}: ${problems.slice(0, 3).join('; ')}`);
}
