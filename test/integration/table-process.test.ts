/** Tables of a store that another process writes, made before, while and after. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';

import { openStore, utf8 } from '../../src/index.ts';
import { distPath, startProgram } from '../support/run-cli.ts';
import { ChangeFold, entriesOf, rowsOf } from '../support/table-model.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('a table of a store that another process writes comes to what that one has', async () => {
  const path = await temporaryDirectory();
  const writer = startProgram(distPath('test', 'support', 'table-writer.js'), [path]);
  const ended = once(writer, 'exit');
  onTestFinished(async () => {
    writer.stdin?.end();
    await ended;
  });
  const lines = createInterface({ input: writer.stdout ?? process.stdin })[Symbol.asyncIterator]();
  expect(await lines.next()).toMatchObject({ value: 'ready' });

  const store = await openStore(path, { readOnly: true });
  onTestFinished(() => store.close());
  const topic = await store.topic('t', { codec: utf8, create: false });
  const tables = [await topic.table(), await topic.table({ bytesMax: 4096 })];
  const folds = tables.flatMap((table) => [
    new ChangeFold(table, 'start'),
    new ChangeFold(table, entriesOf(table)),
  ]);
  const sizes = new Set<number>();
  const said = lines.next();
  const writing = { isOver: false };
  void said.then(() => (writing.isOver = true));
  while (!writing.isOver) {
    for (const table of tables) sizes.add((await entriesOf(table)).size);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { places, rows } = JSON.parse((await said).value ?? '') as {
    places: { partition: number; offset: number }[];
    rows: [string, string][];
  };
  const expected = new Map(rows);
  tables.push(await topic.table());
  for (const table of tables) {
    for (const place of places) await table.reached(place);
    expect(await entriesOf(table)).toEqual(expected);
  }
  expect(await rowsOf(topic)).toEqual(expected);
  for (const fold of folds) {
    for (const { partition } of places) await fold.seen(`last ${partition}`);
    expect(fold.rows).toEqual(expected);
    await fold.stop();
  }
  expect(sizes.size, 'it was read while it was written').toBeGreaterThan(2);
  for (const table of tables) await table.close();
});
