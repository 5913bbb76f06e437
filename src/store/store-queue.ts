/** A queue whose topic has what a store adds to topics. */
import { Queue } from '../queue/queue.ts';
import type { ShareGroupParts } from '../queue/share-group-parts.ts';
import type { StoreTopic } from './store-topic.ts';

export class StoreQueue<T, Input = T> extends Queue<T, Input> {
  /** The records themselves: they stay readable as long as retention keeps them. */
  override readonly topic: StoreTopic<T, Input>;

  /** @internal */
  constructor(topic: StoreTopic<T, Input>, parts: ShareGroupParts<T, Input>) {
    super(topic, parts);
    this.topic = topic;
  }
}
