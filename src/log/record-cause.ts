/** What made a record, as far as it was not its sender: another record, which is named by its place. */
import type { BatchRecords } from '../format/batch-records.ts';
import { diedAt, redrivenFrom } from '../format/cause-headers.ts';

/** It was routed here: a copy of what was published to an exchange. */
export interface ProjectedCause {
  readonly kind: 'projected';
  readonly exchangeId: number;
  /** In the exchange's source log. */
  readonly offset: number;
}

/** The record that died: this is its dead letter. */
export interface DeadLetterCause {
  readonly kind: 'dead-letter';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Where the record was until it was redriven: a dead letter, or dead and kept. */
export interface RedrivenCause {
  readonly kind: 'redriven';
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * The last step of a record on its way here. That of a dead letter that an exchange routed is the
 * routing; the record of its source log has the step before.
 */
export type RecordCause = ProjectedCause | DeadLetterCause | RedrivenCause;

/** Of the record that begins at `start`; null when its batch says nothing. */
export function projectedCause(records: BatchRecords, start: number): ProjectedCause | null {
  const { sources } = records;
  if (sources === null) return null;
  const offset = sources.at(records.numberOf(start));
  if (offset === null) return null;
  return { kind: 'projected', exchangeId: sources.exchangeId, offset };
}

/** What headers say. Whoever sends a record may write what he likes. */
export function causeIn(
  headers: ReadonlyMap<string, Uint8Array>,
): DeadLetterCause | RedrivenCause | null {
  const redriven = redrivenFrom(headers);
  if (redriven !== null) return { kind: 'redriven', ...redriven };
  const died = diedAt(headers);
  return died === null ? null : { kind: 'dead-letter', ...died };
}
