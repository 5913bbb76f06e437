/** What is exported, imported and exported again is the same, byte for byte. */
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { openLog, type RecordInput } from '../../src/index.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => new Uint8Array(Buffer.from(text))),
);
/** Names that are text, among them those that objects treat in a way of their own. */
const headerName = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', '0', '-1', '', '\uFEFFx', 'base64'),
);
const record: fc.Arbitrary<RecordInput<Uint8Array>> = fc.record({
  value: fc.option(bytes),
  key: fc.option(bytes),
  headers: fc
    .array(fc.tuple(headerName, bytes), { maxLength: 4 })
    .map((entries) => Object.fromEntries(entries)),
  createTimeMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});

test('export | import | export: equal bytes, for any keys, values, headers and times', async () => {
  const directory = await temporaryDirectory();
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(record, { maxLength: 30 }), async (records) => {
      number += 1;
      const [source, target] = [join(directory, `a${number}`), join(directory, `b${number}`)];
      const log = await openLog(source, { durability: 'os' });
      await log.appendBatch(records);
      await log.close();
      const exported = await runCli(['export', source]);
      const args = ['import', target, '--durability', 'os'];
      const imported = await runCli(args, { input: exported.stdoutBytes });
      expect(imported).toMatchObject({ exitCode: 0 });
      const again = await runCli(['export', target]);
      expect(again.stdout).toBe(exported.stdout);
      expect(again.stdout.split('\n')).toHaveLength(records.length + 2);
    }),
    // Each makes two logs on the disk, and runs three commands.
    asyncPropertyOptions({ numRuns: 40 }),
  );
});
