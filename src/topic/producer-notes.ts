/** Notes of how far producers of a topic are, in entries that are not too large. */
import type { DurabilityLevel } from '../log/log-options.ts';
import { producersNoted, type ProducedRun } from './producer-state.ts';
import type { TopicHome } from './topic-home.ts';

/** Runs in one entry, each of some 30 bytes; a producer counts as one more. */
const RUNS_MAX = 50_000;

export interface ProducerNote {
  readonly producerId: number;
  readonly confirmed: number;
  readonly runs: ProducedRun[];
}

interface TopicNote {
  readonly topicId: number;
  readonly logs: { logId: number; offset: number }[];
  readonly producers: readonly ProducerNote[];
}

/**
 * Journals a note as it is when this is called. The entry that names the logs comes last: what a crash
 * leaves of the others says nothing of what it lacks.
 *
 * @throws as `Journal.append`
 */
export async function journalNote(
  { journal, clock }: Pick<TopicHome, 'journal' | 'clock'>,
  { topicId, logs, producers }: TopicNote,
  durability: DurabilityLevel,
): Promise<void> {
  const timeMs = clock.now();
  const parts = partsOf(producers);
  const last = parts.pop() ?? [];
  const entries = [
    ...parts.map((part) => ({ topicId, logs: [], producers: part, timeMs })),
    { topicId, logs, producers: last, timeMs },
  ];
  await Promise.all(entries.map((entry) => journal.append(producersNoted, entry, durability)));
}

type NotedProducers = { producerId: number; confirmed: number; runs: ProducedRun[] }[];

function partsOf(producers: readonly ProducerNote[]): NotedProducers[] {
  const parts: NotedProducers[] = [];
  let part: NotedProducers = [];
  let runCount = 0;
  for (const producer of producers) {
    if (runCount > RUNS_MAX) {
      parts.push(part);
      part = [];
      runCount = 0;
    }
    part.push({ ...producer });
    runCount += producer.runs.length + 1;
  }
  parts.push(part);
  return parts;
}
