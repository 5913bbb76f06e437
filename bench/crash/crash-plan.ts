/** What the process that gets killed shall leave behind; travels to it as JSON. */
import type { DurabilityLevel } from '../../src/index.ts';

export interface CrashPlan {
  readonly durability: DurabilityLevel;
  readonly segmentBytesMax: number;
  readonly valueBytes: number;
  /** Full segments before the active one. */
  readonly sealedSegments: number;
  /** Bytes in the active segment, at which the process is killed. */
  readonly activeBytes: number;
}

/** Key of the record at an offset, by which recovered records are told. */
export function crashKeyOf(offset: number): string {
  return `key-${String(offset).padStart(12, '0')}`;
}

/** Where the writer states the end of what was acknowledged: one float64. */
export const ACKED_FILE = 'acked';
export const LOG_DIRECTORY = 'log';
