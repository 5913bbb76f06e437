import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { asyncPropertyOptions } from '../support/property.ts';
import { logCommands, RealLog, type LogModel } from '../support/log-model.ts';

const options = fc.record({
  segmentBytesMax: fc.constantFrom(4096, 8192, 65_536),
  batchBytesMax: fc.constantFrom(1024, 4096),
  cacheBytes: fc.constantFrom(0, 8192, 1 << 20),
});

test('a log is an array: whatever is appended, read, deleted and reopened', async () => {
  const seen = { commands: 0, records: 0 };
  await fc.assert(
    fc.asyncProperty(
      options,
      fc.commands(logCommands, { maxCommands: 60 }),
      async (set, commands) => {
        const real = new RealLog(set);
        const model: LogModel = { records: [], startOffset: 0 };
        await fc.asyncModelRun(() => ({ model, real }), commands);
        await real.close();
        seen.commands += [...commands].length;
        seen.records += model.records.length;
      },
    ),
    asyncPropertyOptions(),
  );
  expect(seen.commands).toBeGreaterThan(300);
  expect(seen.records).toBeGreaterThan(300);
});
