/** The process or the power is gone while leases are being settled and records acquired. */
import * as fc from 'fast-check';

import { LEASE_MS } from './consumers.ts';
import { acquire, release } from './lease-commands.ts';
import { alter, passDeleted } from './life-commands.ts';
import { command, count, type QueueCommand } from './queue-command.ts';
import type { QueueWorld } from './queue-world.ts';
import { HOWS, Race, recovered, type How } from './race.ts';

interface RaceSpec {
  readonly ending: 'kill' | 'cut';
  /** Calls to the disk before the end comes. */
  readonly callCount: number;
  /** Which leases are settled how. */
  readonly order: number;
  /** Whether what comes back, and was tried before, may not be tried again. */
  readonly isStrict: boolean;
}

/** What is condemned when it comes back, mostly. */
const STRICT_HOWS: readonly How[] = ['giveBack', 'giveBack', 'giveBack', 'release'];

/** What is leased was tried before in vain, and may not be tried again. */
async function failOnce(world: QueueWorld): Promise<void> {
  await alter(world, 0, { failuresMax: null, expiriesMax: null });
  for (const lease of world.heldBy('queue').slice(0, 3)) {
    await release(world, lease, { failed: true, delayMs: 0, error: '' });
  }
  await acquire(world, 0, 3, LEASE_MS);
  await alter(world, 0, { failuresMax: 1, expiriesMax: 1 });
}

async function race(world: QueueWorld, spec: RaceSpec): Promise<void> {
  const { ending, callCount, order, isStrict } = spec;
  await passDeleted(world);
  const run = new Race(world);
  await acquire(world, 0, 3, LEASE_MS);
  const { failuresMax, expiriesMax } = world.groups.queue.data.settings;
  if (isStrict) await failOnce(world);
  const { fileSystem } = world.disk;
  if (ending === 'cut') await world.sync();
  fileSystem.crashAt = { call: fileSystem.callCount + 1 + callCount, when: 'inside' };
  const steps = world.held.slice(0, 6).map((lease, at) => {
    const hows = isStrict ? STRICT_HOWS : HOWS;
    return { lease, how: hows[(at + order) % hows.length] ?? 'ack' };
  });
  await Promise.race([fileSystem.crashed, run.begin(steps)]);
  if (ending === 'kill') world.disk.kill();
  else world.disk.cutPower({});
  const real = await recovered(world);
  if (real !== null) run.adopt(ending, real);
  world.forgetProcess();
  await world.open();
  world.noteSynced();
  if (isStrict) await alter(world, 0, { failuresMax, expiriesMax });
  count(`race: ${ending}`);
}

export const raceCommand: fc.Arbitrary<QueueCommand> = fc
  .record({
    ending: fc.constantFrom('kill' as const, 'cut' as const),
    callCount: fc.nat(9),
    order: fc.nat(3),
    isStrict: fc.constantFrom(false, false, true),
  })
  .map((spec) => command(`race ${JSON.stringify(spec)}`, (world) => race(world, spec)));
