import { describe, expect, it } from 'vitest';
import { appendEach, faultyDisk, openTextLog, segmentPaths, textAt, textsFrom, valuesOf, LOG_PATH } from '../../support/log-fixture.ts';
import { contentOf, damage } from '../../support/disk-damage.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { hooked, settled } from './hooked.ts';
const turn = () => new Promise<void>((r) => setImmediate(r));
describe('review e', () => {
  it('e1 deleteBefore and a cut-back wait for the same sync', async () => {
    const fs = await faultyDisk();
    let inFlight = 0; let most = 0;
    const slow = hooked(fs, async (op, path, when) => {
      if (op !== 'datasync' || !path.endsWith('.log')) return;
      if (when === 'before') { inFlight++; most = Math.max(most, inFlight); for (let n = 0; n < 30; n++) await turn(); }
      else inFlight--;
    });
    const log = await openTextLog(slow, { segmentBytesMax: 1 << 20, durability: 'os' });
    await appendEach(log, 2);
    const one = log.append({ value: 'a' }, { durability: 'sync' }).then(() => log.deleteBefore(5)); // a sync is in flight
    await turn();
    await appendEach(log, 2);               // written during it
    fs.addFault({ errno: 'ENOSPC', operations: ['write'], path: '.log', shortBytes: 'half' });
    const refused = log.append({ value: 'b' }).catch((e: unknown) => String(e));
    await Promise.all([one, refused]);
    console.log('e1', most, await refused);
    expect(most).toBe(1);
  });
  it('e2 a segment whose predecessor was replaced by another with the same id and end (fork of a copy)', async () => {
    const a = await faultyDisk();
    { const l = await openTextLog(a); await appendEach(l, 10); await l.close(); }
    const b = a.killImage();
    { const l = await openTextLog(a); await appendEach(l, 20); await l.close(); }
    { const l = await openTextLog(b, {}); for (let n = 0; n < 20; n++) await l.append({ value: `FORKED ${textAt(n).slice(7)}` }); await l.close(); }
    const [firstA] = await segmentPaths(a); const [firstB] = await segmentPaths(b);
    const bytes = contentOf(b, firstB ?? '');
    damage(a, firstA ?? '', () => bytes);
    const damages = [];
    for await (const e of verifyLog(LOG_PATH, { fileSystem: a })) if (e.type === 'damage') damages.push(e.details.reason);
    const l = await openTextLog(a);
    const values = await valuesOf(l).catch((e: unknown) => String(e));
    console.log('e2', damages, Array.isArray(values) ? values.filter((v) => v?.startsWith('FORK')).length : values);
    expect(Array.isArray(values) && values.some((v) => v?.startsWith('FORK'))).toBe(false);
  });
  it('e3 time read in a segment that was cut on a batch boundary', async () => {
    const fs = await faultyDisk();
    const log = await openTextLog(fs, {});
    for (let n = 0; n < 60; n++) await log.append({ value: textAt(n), createTimeMs: 1000 + n });
    await log.close();
    const [first] = await segmentPaths(fs);
    const one = (contentOf(fs, first ?? '').length > 0) ? new DataView(contentOf(fs, first ?? '').buffer).getUint32(128 + 12, true) : 0;
    damage(fs, first ?? '', (bytes) => bytes.subarray(0, 128 + 5 * one));
    const again = await openTextLog(fs, {});
    const got: number[] = []; let err: unknown = null;
    try { for await (const r of again.records({ from: { timestamp: 1010 } })) got.push(r.offset); } catch (e) { err = e; }
    console.log('e3', one, String(err), got[0], got.length);
    expect(err !== null || got[0] === 10).toBe(true);
  });
  it('e4 retention by age believes the prefix of a damaged segment', async () => {
    const fs = await faultyDisk();
    const clock = new ManualClock();
    const log = await openTextLog(fs, { clock });
    for (let n = 0; n < 40; n++) { await log.append({ value: textAt(n) }); if (n < 17) clock.advance(60_000); }
    await log.close();
    const [first] = await segmentPaths(fs);
    const bytes = contentOf(fs, first ?? '');
    const one = new DataView(bytes.buffer).getUint32(128 + 12, true);
    // index batch gone (normal after a crash), and a flipped bit in batch 3
    damage(fs, first ?? '', (b) => { const c = b.slice(0, 128 + 17 * one); c[128 + 3 * one + 150] ^= 1; return c; });
    const again = await openTextLog(fs, { clock, retentionMs: 5 * 60_000 });
    const r = await again.retain();
    console.log('e4', r, 'age of last record in ms', 60_000);
    expect(r.startOffset).toBe(0);
  });
});
