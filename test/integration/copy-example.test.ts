/** The recipe for copying from elsewhere, killed at random: each record of the source is there once. `SEED` sets the moments. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { openLog } from '../../src/log/open-log.ts';
import { openStore } from '../../src/store/open-store.ts';
import { exampleText, programOf, runAndKill, runToEnd } from '../support/examples.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KILLS = 20;
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
const KEYS = 5;
const START = 100;
/** A process says a line for each batch, and is killed before it has said more than these. */
const LINES_MAX = 40;

const keyOf = (number: number): string => `k${number % KEYS}`;

test('a copy that is killed twenty times has each record of its source once, in order', async () => {
  const root = await temporaryDirectory();
  const [source, path] = [join(root, 'source'), join(root, 'store')];
  const log = await openLog(source, { codec: utf8, durability: 'os' });
  const program = await programOf(await exampleText('copy.mjs'));
  const random = new SeededRandom(SEED);
  // Retention took its first records: sequences begin where offsets do.
  await log.appendBatch(Array.from({ length: START }, () => ({ value: 'gone' })));
  await log.deleteBefore(START);
  let count = START;
  for (let kill = 0; kill < KILLS; kill++) {
    for (let batch = 0; batch < LINES_MAX; batch++) {
      const values = [count++, count++, count++, count++];
      await log.appendBatch(values.map((each) => ({ key: keyOf(each), value: String(each) })));
    }
    const lineCount = 1 + randomBelow(random, LINES_MAX);
    await runAndKill(program, [source, path, '--follow'], { lineCount, delayMsMax: 3, random });
  }
  await log.close();
  await runToEnd(program, [source, path]);

  const store = await openStore(path, { readOnly: true });
  const copy = await store.topic('copy', { codec: utf8 });
  const found = new Map<string | null, number[]>();
  for await (const { key, value } of copy.records()) {
    found.set(key, [...(found.get(key) ?? []), Number(value)]);
  }
  await store.close();
  const all = Array.from({ length: count - START }, (_, at) => START + at);
  const expected = Array.from({ length: KEYS }, (_, at): [string, number[]] => {
    return [keyOf(at), all.filter((number) => keyOf(number) === keyOf(at))];
  });
  expect(found, `SEED=${SEED}`).toEqual(new Map(expected));
});
