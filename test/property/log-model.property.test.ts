import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { dumpSegment } from '../../src/log/segment-dump.ts';
import { AVAILABLE_COMPRESSIONS } from '../support/compressions.ts';
import { asyncPropertyOptions } from '../support/property.ts';
import { logCommands, RealLog, type LogModel } from '../support/log-model.ts';

const options = fc.record({
  segmentBytesMax: fc.constantFrom(4096, 8192, 65_536),
  batchBytesMax: fc.constantFrom(1024, 4096),
  cacheBytes: fc.constantFrom(0, 8192, 1 << 20),
});

/** Of one opening after the other. */
const compressions = fc.oneof(
  { weight: 1, arbitrary: fc.constant(['none'] as const) },
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom('none', ...AVAILABLE_COMPRESSIONS), {
      minLength: 1,
      maxLength: 3,
    }),
  },
);

test('a log is an array: whatever is appended, compressed, read, deleted and reopened', async () => {
  const seen = { commands: 0, records: 0, compressed: 0 };
  await fc.assert(
    fc.asyncProperty(
      options,
      compressions,
      fc.commands(logCommands, { maxCommands: 60 }),
      async (set, names, commands) => {
        const real = new RealLog(set, names);
        const model: LogModel = { records: [], startOffset: 0 };
        await fc.asyncModelRun(() => ({ model, real }), commands);
        await real.close();
        seen.compressed += await compressedBatchesOf(real);
        seen.commands += [...commands].length;
        seen.records += model.records.length;
      },
    ),
    asyncPropertyOptions(),
  );
  expect(seen.commands).toBeGreaterThan(300);
  expect(seen.records).toBeGreaterThan(300);
  expect(seen.compressed).toBeGreaterThan(5);
});

async function compressedBatchesOf({ fileSystem }: RealLog): Promise<number> {
  const names = (await fileSystem.list('/log').catch(() => [])).filter((name) =>
    name.endsWith('.log'),
  );
  let count = 0;
  for (const name of names) {
    for await (const event of dumpSegment(`/log/${name}`, { fileSystem })) {
      if (event.type === 'batch' && event.compression !== 'none') count++;
    }
  }
  return count;
}
