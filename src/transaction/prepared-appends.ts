/** What one commit appends to several topics. */
import type { Appender } from '../log/appender.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';

/** Prepares what a commit appends to one topic. */
export type PrepareStep = () => Promise<readonly PreparedAppend[]>;

/**
 * Prepares all of it, with one part for each log, as a commit needs it.
 *
 * @param steps  each prepares what goes to one topic; in this order records stand in a log
 * @throws the first failure; then nothing is held
 */
export async function prepareAppends(
  steps: readonly PrepareStep[],
): Promise<readonly PreparedAppend[]> {
  const prepared: PreparedAppend[] = [];
  try {
    for (const step of steps) prepared.push(...(await step()));
  } catch (error) {
    for (const { release } of prepared) release?.();
    throw error;
  }
  return oneForEachLog(prepared);
}

function oneForEachLog(prepared: readonly PreparedAppend[]): readonly PreparedAppend[] {
  const parts = new Map<Appender, PreparedAppend>();
  for (const part of prepared) {
    const before = parts.get(part.appender);
    parts.set(part.appender, before === undefined ? part : joined(before, part));
  }
  return [...parts.values()];
}

function joined(one: PreparedAppend, two: PreparedAppend): PreparedAppend {
  const { logId, appender } = one;
  const release = (): void => {
    one.release?.();
    two.release?.();
  };
  return { logId, appender, runs: [...one.runs, ...two.runs], release };
}
