/** What one commit appends to several topics. */
import { present } from '../core/assert.ts';
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
  const byLog = new Map<Appender, PreparedAppend[]>();
  for (const part of prepared) {
    const own = byLog.get(part.appender);
    if (own === undefined) byLog.set(part.appender, [part]);
    else own.push(part);
  }
  return [...byLog.values()].map(joined);
}

/** All at once: thousands of parts, joined one by one, would let go of each other on the stack. */
function joined(parts: readonly PreparedAppend[]): PreparedAppend {
  const { logId, appender } = present(parts[0], 'a log has parts');
  const release = (): void => {
    for (const part of parts) part.release?.();
  };
  return { logId, appender, runs: parts.flatMap(({ runs }) => runs), release };
}
