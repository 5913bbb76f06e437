/** What a handle of a share group is made of. */
import type { Codec } from '../codec/codec.ts';
import type { LiveShareGroup } from './live-share-group.ts';

export interface ShareGroupParts<T, Input = T> {
  readonly live: LiveShareGroup;
  readonly codec: Codec<T, Input>;
  /** Records that this consumer has leased at a time; null = no bound of its own. */
  readonly prefetch: number | null;
  readonly onClosed: () => void;
}
