import { expect, test } from 'vitest';
import { SeededRandom } from '../../../src/core/random.ts';
import { FaultyFileSystem } from '../../support/faulty-file-system.ts';
import { crashStates } from '../../support/crash-states.ts';
import { contentOf } from '../../support/disk-damage.ts';

test('smoke', async () => {
  const fs = new FaultyFileSystem({ random: new SeededRandom(1) });
  await fs.makeDirectory('/d');
  const lock = await fs.lockDirectory('/d');
  const f = await fs.open('/d/a', 'create');
  await f.write(new Uint8Array(700).fill(1), 0);
  await f.datasync();
  await fs.syncDirectory('/d');
  await fs.syncDirectory('/');
  await f.write(new Uint8Array(700).fill(2), 700);
  await f.write(new Uint8Array(700).fill(3), 1400);
  await fs.rename('/d/a', '/d/b');
  for (const { name, choice } of crashStates(fs)) {
    const image = fs.crashImage(choice);
    const names = await image.list('/d');
    const n = names.find((x) => x !== 'LOCK') ?? '';
    const c = contentOf(image, `/d/${n}`);
    const runs: string[] = [];
    c.forEach((v, i) => {
      if (i === 0 || c[i - 1] !== v) runs.push(`${i}:${v}`);
    });
    console.log(name, names.join(','), c.length, runs.join(' '));
  }
  await lock.verify();
});
test('speed', async () => {
  const t0 = performance.now();
  let calls = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const random = new SeededRandom(seed);
    const fs = new FaultyFileSystem({ random, schedule: seed % 2 ? { random } : null });
    const work = async () => {
      await fs.makeDirectory('/d');
      const f = await fs.open('/d/a', 'create');
      for (let i = 0; i < 50; i++) {
        await f.write(new Uint8Array(300).fill(i), i * 300);
        if (i % 5 == 0) await f.datasync();
      }
      await f.close();
    };
    await fs.drive(work());
    const image = fs.crashImage();
    void image;
    calls += fs.callCount;
  }
  console.log('ms per seed', (performance.now() - t0) / 1000, calls);
});
