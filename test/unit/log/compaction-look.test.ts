/** What compaction would do to a log that is only read: as the writer plans it, beside one that goes on. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ManualClock } from '../../../src/core/clock.ts';
import { ConflictError } from '../../../src/core/errors.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { Log } from '../../../src/log/log.ts';
import { openTextLog, rejectionOf, type TextLogOptions } from '../../support/log-fixture.ts';

const KEYS = ['a', 'b', 'c', 'd'];

async function setup() {
  const fileSystem = new MemoryFileSystem();
  const open = async (options: TextLogOptions): Promise<Log<string>> => {
    const log = await openTextLog(fileSystem, { clock: new ManualClock(), ...options });
    onTestFinished(() => log.close().catch(() => undefined));
    return log;
  };
  const filling = await open({}); // It would be compacted at each roll otherwise.
  for (let round = 0; round < 20; round++) {
    await filling.appendBatch(KEYS.map((key) => ({ key, value: `${key} ${round} `.repeat(20) })));
  }
  await filling.close();
  const writer = await open({ compaction: 'key' });
  const reader = await open({ compaction: 'key', readOnly: true });
  return { open, writer, reader };
}

describe('planCompaction of a handle that is read-only', () => {
  test('says what that of the writer says, and its progress', async () => {
    const { writer, reader } = await setup();
    const phases: string[] = [];
    const onProgress = ({ phase, pass }: { readonly phase: string; readonly pass: number }) =>
      void phases.push(`${phase} ${pass}`);
    const plan = await reader.planCompaction({ onProgress });
    expect(plan).toEqual(await writer.planCompaction());
    expect(plan.supersededCount).toBeGreaterThan(40);
    expect([...new Set(phases)]).toEqual(['keys 1', 'rewriting 1']);
  });

  test('looks again when the writer has rewritten what it looks at', async () => {
    const { writer, reader } = await setup();
    let isCompacted = false;
    const plan = await reader.planCompaction({
      // Segments of which it knows where their batches stand are others in the next step.
      onProgress: () => {
        if (!isCompacted) void writer.compact();
        isCompacted = true;
      },
    });
    expect(plan.limitedBy).toBe('active-segment');
    await writer.compact();
    expect((await reader.planCompaction()).supersededCount).toBe(0);
  });

  test('is refused where the log is not compacted, and ends with its signal', async () => {
    const { open, reader } = await setup();
    const other = await open({ readOnly: true });
    expect(await rejectionOf(other.planCompaction())).toBeInstanceOf(ConflictError);
    const signal = AbortSignal.abort(new Error('enough'));
    expect(await rejectionOf(reader.planCompaction({ signal }))).toMatchObject({
      message: 'enough',
    });
  });
});
