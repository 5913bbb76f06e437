import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { appendEach, appendTogether, faultyDisk, openTextLog, segmentNames, segmentPaths, valuesOf, offsetsOf, LOG_PATH, textAt, textsFrom } from '../../support/log-fixture.ts';
import { flipBit, contentOf } from '../../support/disk-damage.ts';
import { hooked, settled } from './hooked.ts';

describe('review', () => {
  it('n1 names: second segment survives, first does not, nothing synced (os)', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs, { durability: 'os' });
    // crash inside each call while rolling
    await appendEach(log, 20);
    let alarms: string[] = [];
    // take crash images with each single-name subset at each step
    for (let step = 0; step < 30; step++) {
      await log.append({ value: textAt(log.endOffset) });
      const creates = fs.unsynced().filter((u) => u.kind === 'create');
      for (const c of creates) {
        const image = fs.crashImage({ data: 'none', names: { only: c.id } });
        const names = await segmentNames(image);
        try { const l = await openTextLog(image, { durability: 'os' }); await l.close(); }
        catch (e) { alarms.push(`${names.join()} ${String(e)}`); }
      }
    }
    expect(alarms).toEqual([]);
  });
  it('n1b at sync in one big batch', async () => {
    const fs0 = await faultyDisk();
    const alarms: string[] = [];
    let images = 0;
    for (let call = 1; call < 200; call++) {
      const fs = fs0.crashImage({ names: 'all', data: 'all' }, { crashAt: { call, when: 'before' } });
      const outcome = await fs.drive((async () => {
        const log = await openTextLog(fs, { durability: 'sync' });
        await log.appendBatch(textsFrom(0, 200).map((value) => ({ value })));
        await log.close();
      })());
      if (outcome.status !== 'crashed') break;
      for (const u of fs.unsynced().filter((x) => x.kind === 'create')) {
        const image = fs.crashImage({ data: 'none', names: { only: u.id } });
        images++;
        const names = await segmentNames(image);
        try { const l = await openTextLog(image); await l.close(); }
        catch (e) { alarms.push(`${call} ${names.join()} ${String(e)}`); }
      }
    }
    expect(images).toBeGreaterThan(0);
    expect(alarms).toEqual([]);
  });
  it('n2 abort right after next() of a follower', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await appendEach(log, 1);
    const controller = new AbortController();
    const it = log.batches({ follow: true, from: 'latest', signal: controller.signal });
    const p = it.next();
    controller.abort();
    expect(await settled(p)).toMatch(/rejected/);
  });
  it('n3 read-only open beside a writer that rolls between list and checkpoint', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs);
    await appendEach(log, 20);
    let done = false;
    const reader = hooked(fs, async (op, path, when) => {
      if (op === 'list' && when === 'after' && !done) { done = true; await appendEach(log, 40); }
    });
    const p = openTextLog(reader, { readOnly: true });
    await expect(p).resolves.toBeDefined();
  });
  it('n3b batch half written when the reader looks, synced when it looks behind', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs, { segmentBytesMax: 1 << 20 });
    await appendEach(log, 20);
    let n = 0;
    const reader = hooked(fs, async (op, path, when) => {
      // file size is taken, then the writer goes on: here in the middle of its stat
      if (op === 'stat' && path.endsWith('.log') && when === 'after' && n++ === 1) await appendEach(log, 3);
    });
    await expect(openTextLog(reader, { readOnly: true })).resolves.toBeDefined();
  });
  it('n3c verify beside a writer that rolls', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs);
    await appendEach(log, 20);
    let done = false;
    const reader = hooked(fs, async (op, path, when) => {
      if (op === 'list' && when === 'after' && !done) { done = true; await appendEach(log, 40); }
    });
    const damages = [];
    for await (const e of verifyLog(LOG_PATH, { fileSystem: reader })) if (e.type === 'damage') damages.push(e.details);
    expect(damages).toEqual([]);
  });
  it('n3d verify beside deleteBefore', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs);
    await appendEach(log, 100);
    let done = false;
    const reader = hooked(fs, async (op, path, when) => {
      if (op === 'open' && path.endsWith('checkpoint') && when === 'after' && !done) { done = true; }
      if (op === 'close' && path.endsWith('checkpoint') && when === 'after' ) await log.deleteBefore(80);
    });
    const damages = []; let err: unknown = null;
    try { for await (const e of verifyLog(LOG_PATH, { fileSystem: reader })) if (e.type === 'damage') damages.push(e.details); } catch (e) { err = e; }
    expect(err).toBe(null);
    expect(damages).toEqual([]);
  });
  it('n4 read from a time skips damage silently', async () => {
    const fs = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fs, { clock });
    for (let n = 0; n < 60; n++) { await log.append({ value: textAt(n), createTimeMs: 1000 + n }); }
    await log.close();
    const [first] = await segmentPaths(fs);
    flipBit(fs, first ?? '', { position: 128 + 5 * 228 + 150 });
    const again = await openTextLog(fs, { clock });
    const got: number[] = []; let err: unknown = null;
    try { for await (const r of again.records({ from: { timestamp: 1010 } })) got.push(r.offset); } catch (e) { err = e; }
    console.log('n4', err, got[0], got.length);
    expect(err !== null || got[0] === 10).toBe(true);
  });
  it('n5 cached batches pin their read buffers', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs, { segmentBytesMax: 64 << 20, cacheBytes: 1 << 20 });
    await appendEach(log, 3000);
    const values = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let n = 0; n < 3000; n++) await log.read(n);
    const r = await log.read(5);
    globalThis.gc?.();
    console.log('n5 buffer behind a record', r?.valueView()?.buffer.byteLength, 'batch', 228, 'arrayBuffers MiB', (process.memoryUsage().arrayBuffers - before) / 2 ** 20);
    expect(r?.valueView()?.buffer.byteLength).toBeLessThan(1000);
  });
  it('n5b header values are copies', async () => {
    const log = await openTextLog(new MemoryFileSystem());
    await log.append({ value: 'x', headers: { a: 'good' } });
    const one = await log.read(0);
    one?.headers.get('a')?.fill(0);
    const two = await log.read(0);
    expect(Buffer.from(two?.headers.get('a') ?? []).toString()).toBe('good');
  });
  it('n6 appendBatch refused for lack of space leaves a prefix', async () => {
    const fs = new MemoryFileSystem({ capacityBytes: (1 << 20) + 8192 + 1000 + (5 << 19) });
    const log = await openLog('/d', { fileSystem: fs, clock: new ManualClock() });
    const value = new Uint8Array(100_000);
    const err = await log.appendBatch(Array.from({ length: 60 }, () => ({ value }))).catch((e: unknown) => e);
    console.log('n6', String(err), log.endOffset, log.visibleOffset);
    expect(log.endOffset).toBe(0);
  });
  it('n7 interval append in an os log whose write takes longer than flushMs', async () => {
    const fs = new MemoryFileSystem();
    const clock = new ManualClock();
    let open: (() => void) | null = null;
    const slow = hooked(fs, (op, path, when) => {
      if (op === 'write' && path.endsWith('.log') && when === 'before') return new Promise<void>((r) => { open = r; });
    });
    const log = await openTextLog(slow, { clock, durability: 'os', segmentBytesMax: 1 << 20 });
    const p = log.append({ value: 'x'.repeat(20_000) }, { durability: 'interval' });
    await settled(Promise.resolve(), 10); await new Promise((r) => setImmediate(r));
    clock.advance(200);
    (open as (() => void) | null)?.();
    const r = await p;
    for (let n = 0; n < 20; n++) { clock.advance(200); await new Promise((x) => setImmediate(x)); }
    console.log('n7', r, log.syncedOffset);
    expect(log.syncedOffset).toBe(1);
  });
  it('n8 deleteBefore while appends go on', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs, { durability: 'os', segmentBytesMax: 1 << 20 });
    await appendEach(log, 10);
    let stop = false; let appended = 0;
    const busy = (async () => { while (!stop && appended < 20000) { await log.append({ value: 'x' }); appended++; } })();
    const busy2 = (async () => { while (!stop && appended < 20000) { await log.append({ value: 'x' }, { durability: 'sync' }); appended++; } })();
    let doneAt = -1;
    const del = log.deleteBefore(5).then(() => { doneAt = appended; stop = true; });
    await busy; await busy2; await del;
    console.log('n8 deleteBefore took appends:', doneAt);
    expect(doneAt).toBeLessThan(1000);
  });
  it('n9 codec that appends', async () => {
    const fs = new MemoryFileSystem();
    const holder: { log?: { appendBatch(r: { value: string }[]): Promise<unknown> } } = {};
    const codec = { ...utf8, encode: (v: string) => { if (v === 'b') void holder.log?.appendBatch([{ value: 'inner' }]); return utf8.encode(v); } };
    const log = await openLog('/d', { fileSystem: fs, clock: new ManualClock(), codec });
    holder.log = log;
    await log.appendBatch([{ value: 'a' }, { value: 'b' }]);
    await log.sync();
    const got = []; for await (const r of log.records()) got.push(r.value);
    console.log('n9', got);
    expect(got).toEqual(['inner', 'a', 'b']);
  });
  it('n11 timer after close', async () => {
    const clock = new ManualClock();
    const log = await openTextLog(new MemoryFileSystem(), { clock, durability: 'interval' });
    log.appendNoWait({ value: 'x' });
    await log.close();
    expect(clock.pendingTimerCount).toBe(0);
  });
  it('n12 read-only durableOffset', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs, { durability: 'os' });
    await appendEach(log, 5);
    const ro = await openTextLog(fs, { readOnly: true });
    console.log('n12', log.durableOffset, ro.durableOffset, ro.visibleOffset);
    expect(ro.durableOffset).toBeLessThanOrEqual(log.durableOffset);
  });
  it('n12b read-only sees unsynced records of a sync log', async () => {
    const fs = new MemoryFileSystem();
    let open: (() => void) | null = null;
    const slow = hooked(fs, (op, path, when) => {
      if (op === 'datasync' && path.endsWith('.log') && when === 'before') return new Promise<void>((r) => { open = r; });
    });
    const log = await openTextLog(slow, {});
    void log.append({ value: 'x' }).catch(() => {});
    await settled(new Promise(() => {}), 20);
    const ro = await openTextLog(fs, { readOnly: true });
    console.log('n12b', log.visibleOffset, ro.visibleOffset);
    expect(ro.visibleOffset).toBe(0);
  });
  it('n13 close in the middle of reads leaks handles', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs, {});
    await appendEach(log, 100);
    await log.close();
    expect(fs.openFileCount).toBe(0);
    const ro = await openTextLog(fs, { readOnly: true });
    const it = ro.batches();
    const p = it.next().catch(() => {});
    const q = ro.read(50).catch(() => {});
    await ro.close(); await p; await q; await it.return();
    expect(fs.openFileCount).toBe(0);
  });
  it('n13b cursor closed during nextBatch', async () => {
    const fs = new MemoryFileSystem();
    const log = await openTextLog(fs, {});
    await appendEach(log, 100);
    const c = log.cursor(); const p = c.nextBatch().catch(() => {});
    await c.close(); await p; await log.close();
    expect(fs.openFileCount).toBe(0);
  });
  it('n14 follower after the writer failed', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs, {});
    await appendEach(log, 1);
    const it = log.batches({ follow: true, from: 'latest' });
    const p = it.next();
    fs.addFault({ errno: 'EIO', operations: ['datasync'], path: '.log' });
    await log.append({ value: 'x' }).catch(() => {});
    expect(await settled(p)).toMatch(/rejected|resolved/);
  });
  it('n15 bit flip in the create time of a header, index batch missing', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs, {});
    await appendTogether(log, 30);
    for (let n = 30; n < 60; n++) await log.append({ value: textAt(n) });
    await log.close();
  });
});
