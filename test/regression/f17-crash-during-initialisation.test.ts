/**
 * F17. Elsewhere: a crash while the files were first made left a directory that did not open
 * (etcd#16596, bbolt#567).
 *
 * Here: creating a log may stop at any call, by power cut or kill: the next open makes or finds a
 * log that works, and what was acknowledged in it is there.
 *
 * Red when the checkpoint is written under its final name, when an unfinished `.tmp` stands in the
 * way of the next attempt, or when a segment without a checkpoint is not taken for what it is.
 */
import { expect, test } from 'vitest';

import { crashStates } from '../support/crash-states.ts';
import { FaultyFileSystem } from '../support/faulty-file-system.ts';
import { appendEach, LOG_PATH, openTextLog, textAt, valuesOf } from '../support/log-fixture.ts';
import { SeededRandom } from '../../src/core/random.ts';

/** The first life of a log, from nothing: what it acknowledged is pushed to `acked`. */
async function firstLife(fileSystem: FaultyFileSystem, acked: string[]): Promise<void> {
  const log = await openTextLog(fileSystem);
  for (let n = 0; n < 2; n++) {
    await log.append({ value: textAt(n) });
    acked.push(textAt(n));
  }
  await log.close();
}

function blankDisk(): FaultyFileSystem {
  return new FaultyFileSystem({ random: new SeededRandom(1) });
}

/** Opens what a crash left, twice; returns how many records were there. */
async function checkReopens(image: FaultyFileSystem, acked: readonly string[]): Promise<number> {
  const log = await openTextLog(image);
  const found = await valuesOf(log);
  expect(found.slice(0, acked.length)).toEqual(acked);
  expect(found).toEqual([textAt(0), textAt(1)].slice(0, found.length));
  await appendEach(log, 1);
  await log.close();
  const again = await openTextLog(image);
  expect(again.endOffset).toBe(found.length + 1);
  await again.close();
  const leftovers = (await image.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'));
  expect(leftovers).toEqual([]);
  return found.length;
}

test('F17: a log whose creation crashed at any call opens and works', async () => {
  const measured = blankDisk();
  await firstLife(measured, []);
  const counts = new Map<number, number>();
  const seen = new Set<string>();
  for (let call = 1; call <= measured.callCount; call++) {
    const fileSystem = blankDisk();
    fileSystem.crashAt = { call, when: 'inside' };
    const acked: string[] = [];
    await fileSystem.drive(firstLife(fileSystem, acked));
    const images = [
      ...crashStates(fileSystem).map(({ choice }) => fileSystem.crashImage(choice)),
      fileSystem.killImage({ inFlight: 'none' }),
      fileSystem.killImage({ inFlight: 'all' }),
    ];
    for (const image of images) {
      const key = `${acked.length} ${await fingerprint(image)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const found = await checkReopens(image, acked);
      counts.set(found, (counts.get(found) ?? 0) + 1);
    }
  }
  // States without a record, with one and with both were all seen.
  for (const count of [0, 1, 2]) expect(counts.get(count) ?? 0).toBeGreaterThan(3);
  expect(seen.size).toBeGreaterThan(30);
});

/** Names and bytes, so that equal states are opened once. */
async function fingerprint(image: FaultyFileSystem): Promise<string> {
  if (!(await image.list('/')).includes('data')) return 'no directory';
  const parts: string[] = [];
  for (const name of (await image.list(LOG_PATH)).sort()) {
    const node = image.disk.tree.find({ operation: 'test', path: `${LOG_PATH}/${name}` });
    if (node.kind !== 'file') continue;
    const { sizeBytes } = node.bytes;
    const shown = name.startsWith('reserve') ? 0 : sizeBytes;
    const bytes = Buffer.from(node.bytes.slice(0, shown)).toString('base64');
    parts.push(`${name} ${sizeBytes} ${bytes}`);
  }
  return parts.join('\n');
}
