/** The topology version of batches: that of the turn in which they are begun. */
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { encodedRecordBytes } from '../../../src/format/batch-encoder.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import type { JournaledTail } from '../../../src/log/journaled-tail.ts';
import { ownHome } from '../../../src/log/log-home.ts';
import { resolveLogOptions } from '../../../src/log/log-options.ts';
import type { Log } from '../../../src/log/log.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import { encodedTexts } from '../../support/encoded-texts.ts';
import { LOG_PATH, segmentPaths, valuesOf } from '../../support/log-fixture.ts';
import { walkSegment } from '../../support/segment-walk.ts';
import { appendEncoded } from '../../support/encoded-appends.ts';

/** A source of an exchange whose topology changes. */
class Source {
  readonly fileSystem = new MemoryFileSystem();
  version = 1;
  /** How often it was asked for. */
  askCount = 0;

  open(journaled: JournaledTail | null = null): Promise<Log<string>> {
    const { fileSystem } = this;
    const options = {
      fileSystem,
      codec: utf8,
      clock: new ManualClock(),
      random: new SeededRandom(1),
    };
    const settings = resolveLogOptions<string, string>(options);
    const topologyVersion = () => {
      this.askCount++;
      return this.version;
    };
    return openLogIn(LOG_PATH, settings, { ...ownHome(settings), journaled, topologyVersion });
  }

  async batches() {
    const [path = ''] = await segmentPaths(this.fileSystem);
    return (await walkSegment(this.fileSystem, path)).batches;
  }

  /** Of each batch: its records and its version. */
  async stamps() {
    const batches = await this.batches();
    return batches.map(({ header }) => [header.recordCount, header.topologyVersion]);
  }
}

function commitRecord(text: string) {
  const value = Buffer.from(text);
  const sizeBytes = encodedRecordBytes(0, null, value);
  return { key: null, keyBytes: 0, headers: null, value, createTimeMs: 0, sizeBytes };
}

describe('the topology version of batches', () => {
  test('is that of the time when they were begun', async () => {
    const source = new Source();
    const log = await source.open();
    const { encoded } = log.forStore();
    const appends = [log.append({ value: 'a' }), log.append({ value: 'b' })];
    source.version = 12;
    encoded.closeBatch();
    encoded.closeBatch(); // None is open.
    appends.push(log.append({ value: 'c' }));
    source.version = 2 ** 40;
    encoded.closeBatch();
    appends.push(log.append({ value: 'd' }), log.append({ value: 'e' }));
    expect((await Promise.all(appends)).map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
    await log.close();
    expect(await source.stamps()).toEqual([
      [2, 1],
      [1, 12],
      [2, 2 ** 40],
    ]);
    expect(source.askCount).toBe(3); // Once for each batch, not for each record.
  });

  test('is that of batches of encoded records and of commits, too', async () => {
    const source = new Source();
    const log = await source.open();
    const { encoded, appender } = log.forStore();
    await appendEncoded(encoded, encodedTexts(['a']));
    source.version = 2;
    const held = appender.commits.hold([
      { records: [commitRecord('b'), commitRecord('c')], tag: null },
    ]);
    source.version = 3; // While they wait for the journal.
    await held.ready();
    held.release();
    await held.ended;
    held.show();
    await appendEncoded(encoded, encodedTexts(['d']));
    expect(await valuesOf(log)).toEqual(['a', 'b', 'c', 'd']);
    await log.close();
    expect(await source.stamps()).toEqual([
      [1, 1],
      [2, 2],
      [1, 3],
    ]);
  });

  test('stays when a batch is encoded again because of its keys', async () => {
    const source = new Source();
    const log = await source.open();
    const first = log.append({ value: 'a', key: 'schlüssel' });
    const second = log.append({ value: 'b', key: 'ä' });
    source.version = 2;
    log.forStore().encoded.closeBatch();
    const third = log.append({ value: 'c', key: 'ö' });
    await Promise.all([first, second, third]);
    await log.close();
    expect(await source.stamps()).toEqual([
      [2, 1],
      [1, 2],
    ]);
  });

  test('stays when a batch is placed again from the journal', async () => {
    const source = new Source();
    const log = await source.open();
    source.version = 7;
    const held = log
      .forStore()
      .appender.commits.hold([{ records: [commitRecord('a'), commitRecord('b')], tag: null }]);
    const batches = held.batches.map((batch) => Uint8Array.from(batch));
    held.release();
    await held.ended;
    held.show();
    await log.close();

    // The machine lost the log, but not what the journal says of it.
    const lost = new Source();
    lost.version = 9;
    const tail: JournaledTail = {
      endOffset: 2,
      isWhole: true,
      async *batches() {
        yield* batches;
      },
    };
    const again = await lost.open(tail);
    expect(await valuesOf(again)).toEqual(['a', 'b']);
    await again.append({ value: 'c' });
    await again.close();
    expect(await lost.stamps()).toEqual([
      [2, 7],
      [1, 9],
    ]);
  });

  test('is 0 in a log that is no source', async () => {
    const { fileSystem, ...source } = new Source();
    const settings = resolveLogOptions<string, string>({ fileSystem, codec: utf8 });
    const log = await openLogIn(LOG_PATH, settings, ownHome(settings));
    await log.append({ value: 'a' });
    await log.close();
    const [path = ''] = await segmentPaths(fileSystem);
    const { batches } = await walkSegment(fileSystem, path);
    expect(batches.map(({ header }) => header.topologyVersion)).toEqual([0]);
    expect(source.askCount).toBe(0);
  });
});
