/** How far a stream is in a destination log, as the log itself tells it. */
import { projectedFrom } from '../format/projected-extension.ts';
import type { Log } from '../log/log.ts';
import type { StreamName } from './projection-state.ts';

/** The last position that batches at or behind `from` state for a stream; null when none does. @throws as `Log.batches` */
export async function lastPosition(
  log: Log<Uint8Array>,
  from: number,
  { exchangeId, stream }: StreamName,
): Promise<number | null> {
  let position: number | null = null;
  const source = log.source({ from: Math.max(from, log.startOffset) }, 'reused');
  try {
    while (await source.next()) {
      const { bytes, at, header } = source.batch;
      const projected = projectedFrom(bytes, at, header);
      if (projected?.exchangeId !== exchangeId || projected.stream !== stream) continue;
      position = Math.max(position ?? 0, projected.position);
    }
  } finally {
    source.close();
  }
  return position;
}
