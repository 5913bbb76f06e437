/** What the checker finds in a history that is written by hand. */
import { checkQueueHistory } from './check-queue-history.ts';
import { HistoryForge } from './history-forge.ts';
import type { CheckOptions, ViolationKind } from './verdict.ts';

export const FORGED: CheckOptions = {
  leaseMs: 1000,
  failuresMax: 3,
  expiriesMax: 3,
  slackMs: 100,
};

export type Write = (forge: HistoryForge) => void;
/** What is wrong, the kinds of it, and how it comes about. */
export type Forged = readonly [what: string, kinds: readonly ViolationKind[], write: Write];

/** The kinds found in a life that ends well but for what `write` does in it, ascending. */
export function kindsIn(write: Write): ViolationKind[] {
  const forge = new HistoryForge().start();
  write(forge);
  forge.drained().close();
  const { violations } = checkQueueHistory(forge.events, FORGED);
  return [...new Set(violations.map(({ kind }) => kind))].toSorted();
}
