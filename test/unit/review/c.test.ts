import { describe, expect, it } from 'vitest';
import { appendEach, faultyDisk, openTextLog, segmentNames, textsFrom } from '../../support/log-fixture.ts';
describe('review c', () => {
  it('c1', async () => {
    const fs0 = await faultyDisk();
    { const l = await openTextLog(fs0, { durability: 'os' }); await l.close(); }
    for (let call = 20; call < 60; call++) {
      const fs = fs0.crashImage({ names: 'all', data: 'all' }, { crashAt: { call, when: 'before' } });
      const outcome = await fs.drive((async () => {
        const log = await openTextLog(fs, { durability: 'os' });
        await log.appendBatch(textsFrom(0, 200).map((value) => ({ value })));
        await log.close();
      })());
      if (outcome.status !== 'crashed') break;
      const creates = fs.unsynced().filter((x) => x.kind === 'create');
      for (const u of creates) {
        const image = fs.crashImage({ data: 'none', names: { only: u.id } });
        console.log(call, creates.map((c) => c.path), (await image.list('/data')));
        try { const l = await openTextLog(image); console.log(l.recovery.outcome); await l.close(); } catch (e) { console.log(String(e)); }
      }
    }
  });
});
