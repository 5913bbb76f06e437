import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { appendEach, appendTogether, faultyDisk, openTextLog, segmentNames, segmentPaths, valuesOf, offsetsOf, LOG_PATH, textAt, textsFrom } from '../../support/log-fixture.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { flipBit, contentOf } from '../../support/disk-damage.ts';
import { hooked, settled } from './hooked.ts';

describe('review b', () => {
  it.each(['os', 'sync', 'interval'] as const)('b1 names only, %s', async (durability) => {
    const fs0 = await faultyDisk();
    { const l = await openTextLog(fs0, { durability }); await l.close(); }
    const alarms: string[] = [];
    let images = 0;
    for (let call = 1; call < 400; call++) {
      const fs = fs0.crashImage({ names: 'all', data: 'all' }, { crashAt: { call, when: 'before' } });
      const outcome = await fs.drive((async () => {
        const log = await openTextLog(fs, { durability });
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
    console.log('b1', durability, images);
    expect(alarms).toEqual([]);
  });
  it('b2 error at every call: leaks, locks, unhandled rejections', async () => {
    const bad: string[] = [];
    const unhandled: unknown[] = [];
    const on = (e: unknown) => unhandled.push(e);
    process.on('unhandledRejection', on);
    let calls = 0;
    for (const errno of ['EIO', 'ENOSPC']) {
      for (let call = 1; call < 2000; call++) {
        const fs0 = await faultyDisk();
        { const l = await openTextLog(fs0); await appendEach(l, 40); await l.close(); }
        const clock = new ManualClock();
        const fs = fs0;
        const from = fs.callCount + call;
        fs.addFault({ errno, fromCall: from });
        let where = 'open';
        let hit = '';
        try {
          const log = await openTextLog(fs, { clock });
          try {
            where = 'append';
            await appendEach(log, 40).catch((e: unknown) => { hit += ` append:${String(e)}`; });
            await log.appendBatch(textsFrom(0, 60).map((value) => ({ value }))).catch((e: unknown) => { hit += ` batch:${String(e)}`; });
            where = 'read';
            await offsetsOf(log).catch((e: unknown) => { hit += ` read:${String(e)}`; });
            await log.read(10).catch(() => {});
            where = 'delete';
            await log.deleteBefore(60).catch((e: unknown) => { hit += ` delete:${String(e)}`; });
            clock.advance(1000);
            await settled(new Promise(() => {}), 3);
          } finally { where = 'close'; await log.close(); }
        } catch (e) { hit += ` ${where}:${String(e)}`; }
        await settled(new Promise(() => {}), 3);
        calls++;
        if (fs.openFileCount !== 0) bad.push(`${errno}@${call} leak ${fs.openFileCount}:${hit}`);
        if (clock.pendingTimerCount !== 0) bad.push(`${errno}@${call} timers ${clock.pendingTimerCount}:${hit}`);
        if (fs.callCount < from) break;
        fs.clearFaults();
        try { const l = await openTextLog(fs); await l.close(); }
        catch (e) { bad.push(`${errno}@${call} reopen ${String(e)} after${hit}`); }
        if (unhandled.length > 0) { bad.push(`${errno}@${call} unhandled ${String(unhandled[0])}${hit}`); unhandled.length = 0; }
      }
    }
    process.off('unhandledRejection', on);
    console.log('b2 calls', calls, bad.length);
    console.log(bad.slice(0, 60).map((b) => b.slice(0, 300)).join('\n'));
    expect(bad.length).toBe(0);
  }, 120000);
  it('b3 deleteBefore starves under load', async () => {
    const fs = new MemoryFileSystem();
    const slow = hooked(fs, (op, path, when) => op === 'datasync' && path.endsWith('.log') && when === 'before' ? new Promise<void>((r) => setImmediate(r)) : undefined);
    const log = await openTextLog(slow, { durability: 'os', segmentBytesMax: 64 << 20 });
    await appendEach(log, 10);
    let stop = false; let appended = 0;
    const busy = (async () => { while (!stop && appended < 20000) { await log.append({ value: 'x' }); appended++; if (appended % 5 === 0) await new Promise((r) => setImmediate(r)); } })();
    let doneAt = -1; let syncedAt = -1;
    const del = log.deleteBefore(5).then(() => { doneAt = appended; stop = true; });
    const watch = (async () => { while (log.syncedOffset < 5) await new Promise((r) => setImmediate(r)); syncedAt = appended; })();
    await busy; await watch; await del;
    console.log('b3 deleteBefore took appends:', doneAt, 'synced after', syncedAt);
    expect(doneAt).toBeLessThan(1000);
  }, 60000);
  it('b4 two syncs of one file in flight: cut back fails after the loop says fine', async () => {
    const fs = new FaultyFileSystem({ random: new SeededRandom(1) });
    await fs.makeDirectory(LOG_PATH); await fs.syncDirectory('/');
    let inFlight = 0; let most = 0;
    const watch = hooked(fs, async (op, path, when) => {
      if (op !== 'datasync' || !path.endsWith('.log')) return;
      if (when === 'before') { inFlight++; most = Math.max(most, inFlight); for (let n = 0; n < 20; n++) await new Promise((r) => setImmediate(r)); }
      else inFlight--;
    });
    const log = await openTextLog(watch, { segmentBytesMax: 1 << 20 });
    await appendEach(log, 2);
    const one = log.append({ value: 'a' });
    await new Promise((r) => setImmediate(r));
    fs.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', shortBytes: 'half' });
    await log.append({ value: 'b' }).catch((e: unknown) => console.log('b4', String(e)));
    await one;
    console.log('b4 most datasyncs in flight on one file', most);
    expect(most).toBe(1);
  });
  it('b5 keeps indexes of all sealed segments', async () => {
    const log = await openTextLog(new MemoryFileSystem(), { segmentBytesMax: 1 << 20, durability: 'os', batchBytesMax: 4096 });
    const before = process.memoryUsage().arrayBuffers;
    void before;
    for (let n = 0; n < 50; n++) await log.appendBatch(Array.from({ length: 1000 }, () => ({ value: 'x'.repeat(1000) })));
    expect(log.stats()).toBeDefined();
    console.log('b5', log.stats());
    await log.close();
  });
  it('b6 close tells of appendNoWait records that were refused', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs);
    await appendEach(log, 2);
    fs.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log' });
    log.appendNoWait({ value: 'lost' });
    const r = await log.close().then(() => 'resolved', (e: unknown) => String(e));
    console.log('b6', r);
    expect(r).not.toBe('resolved');
  });
  it('b7 close error when the checkpoint sync fails', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs);
    await appendEach(log, 2);
    fs.addFault({ errno: 'EIO', operations: ['datasync'], path: 'checkpoint' });
    const r = await log.close().then(() => 'resolved', (e: unknown) => e);
    console.log('b7', String(r), (r as { code?: string }).code);
    expect((r as { code?: string }).code).toBe('ERR_VARVE_FAILED');
  });
  it('b8 reserve after a power cut', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs);
    await appendEach(log, 2);
    await log.close();
    const image = fs.crashImage({ data: 'none', names: 'all' });
    const r = await image.stat(`${LOG_PATH}/reserve`).catch((e: unknown) => String(e));
    console.log('b8', r);
    const l2 = await openTextLog(image); await l2.close();
    expect((await image.stat(`${LOG_PATH}/reserve`)).sizeBytes).toBe(1 << 20);
  });
  it('b9 create false leaves LOCK', async () => {
    const fs = new MemoryFileSystem();
    await fs.makeDirectory('/empty');
    await openLog('/empty', { fileSystem: fs, create: false }).catch(() => {});
    expect(await fs.list('/empty')).toEqual([]);
  });
  it('b10 retention unlink directory sync fails', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs);
    await appendEach(log, 100);
    fs.addFault({ errno: 'EIO', operations: ['syncDirectory'] });
    const r = await log.deleteBefore(80).then(() => 'resolved', (e: unknown) => String(e));
    console.log('b10', r);
    const a = await log.append({ value: 'x' }).then(() => 'appended', (e: unknown) => String(e));
    console.log('b10', a);
    expect(a).not.toBe('appended');
  });
});
