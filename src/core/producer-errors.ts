/** What a producer is told of its sequences. */
import { StoreError } from './errors.ts';

/** A sequence comes too early: others are missing before it. Nothing was appended. */
export class SequenceGapError extends StoreError {
  readonly code = 'ERR_VARVE_SEQUENCE_GAP';
  readonly details: {
    readonly producer: string;
    readonly topic: string;
    /** What may be sent now. */
    readonly expected: number;
    readonly found: number;
  };

  constructor(details: SequenceGapError['details']) {
    const { producer, topic, expected, found } = details;
    super(`producer ${producer} sent sequence ${found} to ${topic}, expected ${expected}`);
    this.details = details;
  }
}
