/** Opens a log for verbs that read: never writes, and says when its tail is damaged. */
import { CorruptLogError, openLog } from '../src/index.ts';
import type { CorruptLogDetails, Log } from '../src/index.ts';

export interface ReadableLog {
  readonly log: Log<Uint8Array>;
  /** Damage that was found in the tail; null when there is none. */
  readonly damage: CorruptLogDetails | null;
}

/** Opens what can be read in spite of damage to acknowledged data. */
export async function openInSpiteOfDamage(path: string): Promise<ReadableLog> {
  const log = await openLog(path, { readOnly: true, onCorruption: 'readonly' });
  return { log, damage: log.recovery.damage };
}

/** One line about damage, as its error would say it. */
export function damageLine(details: CorruptLogDetails): string {
  return new CorruptLogError(details).message;
}
