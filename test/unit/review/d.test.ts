import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { appendEach, faultyDisk, openTextLog, textAt } from '../../support/log-fixture.ts';
import { hooked, settled } from './hooked.ts';

const turn = () => new Promise<void>((r) => setImmediate(r));
describe('review d', () => {
  it('d1 everything settles', async () => {
    const bad: string[] = [];
    const unhandled: unknown[] = [];
    const on = (e: unknown) => unhandled.push(e);
    process.on('unhandledRejection', on);
    let total = 0; let ackCount = 0;
    const from = Number(process.env.FROM ?? 1); const count = Number(process.env.COUNT ?? 400);
    for (let seed = from; seed < from + count; seed++) {
      let x = seed | 0;
      const rnd = (n: number) => { x = (x + 0x6d2b79f5) | 0; let t = Math.imul(x ^ (x >>> 15), 1 | x); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n); };
      const disk = await faultyDisk();
      const clock = new ManualClock();
      const slow = hooked(disk, async (_op, _p, when) => { const n = rnd(4); for (let k = 0; k < n; k++) await turn(); void when; });
      const durability = (['os', 'interval', 'sync'] as const)[rnd(3)] ?? 'sync';
      const log = await openTextLog(slow, { clock, durability, queuedBytesMax: 65536, retentionBytes: rnd(2) ? 8192 : null, retentionCheckMs: 50 });
      const acked = new Map<number, string>();
      const ops: [string, Promise<unknown>][] = [];
      const controllers: AbortController[] = [];
      const opCount = 30 + rnd(60);
      if (rnd(2)) disk.addFault({ errno: rnd(2) ? 'EIO' : 'ENOSPC', fromCall: disk.callCount + 1 + rnd(100), times: rnd(3) ? 1 : Infinity, operations: ['open','create','rename','unlink','syncDirectory','read','write','datasync','truncate','statFile','stat','verifyLock','list'], ...(rnd(3) ? {} : { operations: ['write' as const], shortBytes: 'half' as const }) });
      const add = (name: string, f: () => Promise<unknown>) => { let p: Promise<unknown>; try { p = f(); } catch (e) { p = Promise.reject(e); } p.catch(() => {}); ops.push([name, p]); };
      for (let n = 0; n < opCount; n++) {
        const c = new AbortController(); 
        const lvl = (['os', 'interval', 'sync'] as const)[rnd(3)] ?? 'sync';
        switch (rnd(12)) {
          case 0: case 1: case 2: add('append', () => log.append({ value: `s${seed} ${textAt(n)}` }, { durability: lvl }).then((r) => { acked.set(r.offset, `s${seed} ${textAt(n)}`); ackCount++; })); break;
          case 3: add('batch', () => log.appendBatch(Array.from({ length: rnd(120) }, () => ({ value: textAt(n) })), { durability: lvl })); break;
          case 4: try { for (let k = 0; k < 50; k++) if (log.appendNoWait({ value: textAt(n) }) < 0) break; } catch { /* told */ } break;
          case 5: if (process.env.DBG) add("dbg", () => log.flushed().catch((e: unknown) => { console.log(seed, (e as Error).cause); })); add("flushed", () => log.flushed()); break;
          case 6: add('sync', () => log.sync()); break;
          case 7: add('deleteBefore', () => log.deleteBefore(rnd(log.visibleOffset + 1))); break;
          case 8: add('retain', () => log.retain()); break;
          case 9: add('read', () => log.read(rnd(log.visibleOffset + 1))); break;
          case 10: controllers.push(c); add('follow', async () => { for await (const b of log.batches({ follow: true, signal: c.signal, from: rnd(2) ? 'earliest' : 'latest' })) void b; }); break;
          case 11: add('scan', async () => { for await (const b of log.batches({ from: rnd(2) ? 'earliest' : { timestamp: 5 } })) void b; }); break;
        }
        if (rnd(3) === 0) clock.advance(rnd(150));
        if (rnd(2)) for (let k = rnd(4); k > 0; k--) await turn();
        if (rnd(9) === 0) controllers.shift()?.abort();
      }
      const follows = ops.filter(([name]) => name === 'follow').length;
      void follows;
      const closing = log.close();
      ops.push(['close', closing]);
      for (const [, p] of ops) p.catch(() => {});
      const states = await Promise.all(ops.map(async ([name, p]) => [name, await settled(p, 4000)] as const));
      total += states.length;
      const pending = states.filter(([, s]) => s === 'pending').map(([n]) => n);
      if (pending.length > 0) bad.push(`${seed} pending ${pending.join()}`);
      for (let k = 0; k < 20; k++) await turn();
      if (disk.openFileCount !== 0) bad.push(`${seed} leak ${disk.openFileCount} close=${states.at(-1)?.[1]}`);
      
      if (disk.violations.length > 0) bad.push(`${seed} violations ${disk.violations.join()}`);
      const odd = states.filter(([, s]) => /Assertion|TypeError|undefined/.test(s));
      if (odd.length > 0) bad.push(`${seed} odd ${JSON.stringify(odd[0])}`);
      disk.clearFaults();
      for (const [name, image] of [['same', disk], ['power', disk.crashImage()]] as const) {
        try {
          const again = await openTextLog(image, { clock });
          for (const [offset, value] of acked) {
            if (offset < again.startOffset) continue;
            if (name === 'power' && durability !== 'sync') continue;
            if (name === 'power') continue;
            const r = await again.read(offset).catch((e: unknown) => ({ value: String(e) }));
            if (r?.value !== value) bad.push(`${seed} ${name} offset ${offset} is ${String(r?.value).slice(0, 60)}`);
          }
          let expected = again.startOffset;
          for await (const r of again.records()) { if (r.offset !== expected) bad.push(`${seed} ${name} hole at ${expected}`); expected = r.offset + 1; }
          await again.close();
          for await (const e of (await import('../../../src/log/verify.ts')).verifyLog('/data', { fileSystem: image })) if (e.type === 'damage') bad.push(`${seed} ${name} verify ${JSON.stringify(e.details)}`);
        } catch (e) { bad.push(`${seed} ${name} reopen ${String(e)}`); }
      }
      if (unhandled.length > 0) { bad.push(`${seed} unhandled ${String(unhandled[0])}`); unhandled.length = 0; }
    }
    process.off('unhandledRejection', on);
    console.log('d1', total, ackCount, bad.length);
    console.log(bad.slice(0, 40).join('\n'));
    expect(bad.length).toBe(0);
  }, 600000);
});
