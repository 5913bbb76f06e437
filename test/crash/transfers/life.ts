/** What the parent tells the process that moves money. */
import type { Sabotage } from '../../support/power/sabotage.ts';

export interface Life {
  /** Of the store. */
  readonly directory: string;
  /** From 0. */
  readonly life: number;
  readonly seed: number;
  /** Nothing is sent, nothing goes wrong, and the process ends when everything is moved. */
  readonly isLast: boolean;
  /** Which of its syncs do nothing. */
  readonly sabotage: Sabotage;
}
