/** Where producers are in a topic, as it is told. */
import type { ProducerProgress } from './producer-progress.ts';

export interface ProducerPosition {
  /** Highest that is stored; null = none is. */
  readonly sequence: number | null;
  /** Send on from here: nothing below is missing. */
  readonly resumeFrom: number;
  /** Where the highest is. */
  readonly partition: number | null;
  readonly offset: number | null;
}

/** A producer that has stored something in a topic. */
export interface TopicProducer extends ProducerPosition {
  readonly name: string;
}

export function positionOf(progress: ProducerProgress): ProducerPosition {
  const { lastStored, resumeFrom } = progress;
  const { partition = null, offset = null } = progress.placeOf(lastStored) ?? {};
  return { sequence: lastStored < 0 ? null : lastStored, resumeFrom, partition, offset };
}
