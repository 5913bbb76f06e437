import { describe, expect, it } from 'vitest';
import { appendEach, faultyDisk, openTextLog, segmentPaths, textAt, textsFrom, valuesOf, LOG_PATH } from '../../support/log-fixture.ts';
import { contentOf, damage } from '../../support/disk-damage.ts';
import { verifyLog } from '../../../src/log/verify.ts';
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
});
