/** The end of a stream, as the journal has it. */
import { toError } from '../core/abort.ts';
import type { Outlet } from './outlet.ts';
import { backfillCut, projectionEnded } from './projection-entries.ts';
import type { ProjectionParts } from './projection-parts.ts';

export interface EndingStream {
  readonly outlets: Iterable<Outlet>;
  /** Whether it has not given everything: nobody wants the rest. */
  readonly isCut: boolean;
}

/**
 * Says that a stream has ended, when nothing is on its way any more.
 *
 * @returns false when it cannot be said yet how far it is
 * @throws as `Journal.append`
 */
export async function sayEnded(
  { outlets, isCut }: EndingStream,
  { journal, clock, stream }: Pick<ProjectionParts, 'journal' | 'clock' | 'stream'>,
): Promise<boolean> {
  const ended = { ...stream, timeMs: clock.now() };
  if (!isCut) {
    await journal.append(projectionEnded, ended, 'sync');
    return true;
  }
  const logs = await positionsOf(outlets);
  if (logs === null) return false;
  await journal.append(backfillCut, { ...ended, logs }, 'sync');
  return true;
}

interface CutPosition {
  readonly logId: number;
  /** Everything of the source below is in the log, as far as it belongs there. */
  readonly position: number;
}

/**
 * Null when one cannot tell now: who said less, or more, than is there would have a later backfill copy
 * it twice, or not at all.
 */
async function positionsOf(outlets: Iterable<Outlet>): Promise<CutPosition[] | null> {
  const positions: CutPosition[] = [];
  for (const outlet of outlets) {
    const { logId } = outlet;
    if (outlet.isKnown || (await canTell(outlet))) {
      positions.push({ logId, position: outlet.syncedPosition });
    } else if (outlet.isLetOff) {
      // Nobody waits for it any more, whatever it holds.
      positions.push({ logId, position: Number.MAX_SAFE_INTEGER });
    } else return null;
  }
  return positions;
}

async function canTell(outlet: Outlet): Promise<boolean> {
  try {
    await outlet.ask();
    return true;
  } catch (error) {
    outlet.refuse(toError(error));
    return false;
  }
}
