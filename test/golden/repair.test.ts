/** Every golden directory is repaired: what can be read when damage is skipped stays readable. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { openLog } from '../../src/log/open-log.ts';
import { repairLog } from '../../src/log/repair-log.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { HAS_ZSTD } from '../support/compressions.ts';
import type { Expected } from '../support/golden/make-golden.ts';
import { recordView } from '../support/golden/observe.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const root = join(import.meta.dirname, '..', '..', 'segments');
const folders = readdirSync(root)
  .filter((name) => /^v\d+$/.test(name))
  .flatMap((version) => readdirSync(join(root, version)).map((name) => join(root, version, name)));
const names = folders.map((folder) => ({ folder, name: folder.slice(root.length + 1) }));

/** Written by a newer varve: nothing here may touch it. */
const NEWER = 'v1/future-version';
const ZSTD = 'v1/zstd';

describe.each(names.filter(({ name }) => name !== NEWER))('$name', ({ name: title, folder }) => {
  test('is sound after a repair, with every record that could be read before', async () => {
    const path = join(await temporaryDirectory(), 'log');
    cpSync(folder, path, { recursive: true, filter: (file) => !file.endsWith('expected.json') });
    const random = new SeededRandom(1);
    const planned = await repairLog(path, { dryRun: true, random: new SeededRandom(1) });
    expect(readdirSync(path).toSorted()).toEqual(
      readdirSync(folder).filter((name) => name !== 'expected.json'),
    );
    const report = await repairLog(path, { random });
    expect(report).toEqual(planned);
    for await (const event of verifyLog(path)) expect(event.type).not.toBe('damage');

    if (title === ZSTD && !HAS_ZSTD) {
      expect(report).toMatchObject({ damage: [], gaps: [], cutBytes: 0, quarantined: [] });
      return; // Not to be read here, and so not to be called damaged.
    }
    const log = await openLog(path, { codec: utf8, readOnly: true });
    const records = [];
    for await (const record of log.records()) records.push(recordView(record));
    await log.close();
    const { records: expected } = JSON.parse(
      readFileSync(join(folder, 'expected.json'), 'utf8'),
    ) as Expected;
    expect(records).toEqual(expected);
  });
});

test('a log of a newer version is refused, and not touched', async () => {
  const path = join(await temporaryDirectory(), 'log');
  cpSync(join(root, NEWER), path, { recursive: true });
  const refused = { code: 'ERR_VARVE_UNSUPPORTED_VERSION' };
  await expect(repairLog(path, { dryRun: true })).rejects.toMatchObject(refused);
  await expect(repairLog(path)).rejects.toMatchObject(refused);
  expect(readdirSync(path).filter((name) => name !== 'LOCK')).toEqual(
    readdirSync(join(root, NEWER)),
  );
});
