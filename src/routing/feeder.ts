/** What reads the source for a log. */
export interface Feeder {
  /** Everything below was handed to the logs that it feeds. */
  readonly position: number;
  /** When the batch of the source was appended at which it stands, ms since the epoch; 0 = not begun. */
  readonly batchTimeMs: number;
}
