/** Runs one seed: lives of one store with producers, each ended by a close, a kill or a power cut. */
import type { Store } from '../../../../src/store/store.ts';
import { runSeed, type SeedResult } from '../machine.ts';
import { StoreLives } from '../store-lives.ts';
import { numbersIn, openTopics, PARTITIONS, ProducerSession } from './producer-session.ts';
import { ProducerWorld, type ProducerTally } from './producer-world.ts';

/** Runs one seed. Never rejects for what the engine does wrong: that is in `violations`. */
export async function simulateProducers(
  seed: number,
  tally: ProducerTally,
  narrate: (what: string) => void = () => undefined,
): Promise<SeedResult> {
  const world = new ProducerWorld(seed, tally, narrate);
  return runSeed(world, () => new ProducerLives(world).run());
}

class ProducerLives extends StoreLives<ProducerWorld, ProducerSession> {
  protected readonly callsOfLife = [40, 120, 400];

  protected async begin(store: Store): Promise<ProducerSession> {
    const topics = await openTopics(store);
    for (const topic of topics) {
      for (let at = 0; at < PARTITIONS; at++) await topic.partitions.at(at).log();
    }
    return new ProducerSession(this.world, store, topics);
  }

  protected async check(session: ProducerSession): Promise<void> {
    const { oracle, tally } = this.world;
    for (const topic of session.topics) {
      const found = await numbersIn(topic);
      if (session.isOver) return;
      const starts = topic.partitions.all().map(({ opened }) => opened?.startOffset ?? 0);
      oracle.reopened(topic.name, found, { ending: this.ending, starts });
      tally.add('checkedRecords', found.length);
    }
  }

  protected override greet(session: ProducerSession): Promise<void> {
    return session.begin();
  }

  protected programOf(session: ProducerSession): () => Promise<void> {
    return () => session.run();
  }
}
