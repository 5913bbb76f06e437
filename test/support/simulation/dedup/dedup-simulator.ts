/** Runs one seed: lives of one store with ids, each ended by a close, a kill or a power cut. */
import type { Store } from '../../../../src/store/store.ts';
import { runSeed, type SeedResult } from '../machine.ts';
import { chance } from '../plan.ts';
import { StoreLives } from '../store-lives.ts';
import { probe, runDedupProgram } from './dedup-program.ts';
import { DedupSession } from './dedup-session.ts';
import { DedupWorld, type DedupTally } from './dedup-world.ts';

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateDedup(
  seed: number,
  tally: DedupTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new DedupWorld(seed, tally, narrate);
  return runSeed(world, () => new DedupLives(world).run());
}

class DedupLives extends StoreLives<DedupWorld, DedupSession> {
  protected readonly callsOfLife = [60, 200, 500, 1000];

  protected begin(store: Store): Promise<DedupSession> {
    return DedupSession.open(this.world, store);
  }

  protected async check(session: DedupSession): Promise<void> {
    const { injector, tally } = this.world;
    for (const one of session.topics) {
      const found = await session.look(one);
      if (session.isOver) return;
      const count = one.oracle.reopened(found, this.ending, injector.hasFailedSync);
      tally.add('checkedRecords', count);
      tally.add(
        'segments',
        one.logs.map((log) => log.stats().segmentCount).reduce((x, y) => x + y),
      );
      if (found.starts.some((start) => start > 0)) tally.add('trimmedTopics');
    }
  }

  protected override async greet(session: DedupSession): Promise<void> {
    if (chance(this.world.random, 0.6)) await probe(session);
  }

  protected programOf(session: DedupSession): () => Promise<void> {
    const isBrokenOff = chance(this.world.random, 0.4);
    return () => runDedupProgram(session, isBrokenOff);
  }

  protected override onClose(session: DedupSession): void {
    this.world.limitDisk(null);
    session.isClosing = true;
  }
}
