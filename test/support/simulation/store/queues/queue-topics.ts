/** Which topics and share groups the program of queues uses, and how they are set. */
import type { ShareConfig } from '../../../../../src/queue/share-settings.ts';

/** Topics that everything else uses too, with a share group beside the consumer group. */
export const PLAIN_TOPICS: readonly string[] = ['a', 'b', 'c'];
/** A queue of its own: records of it go when they are settled, and it may be deleted. */
export const QUEUE_TOPIC = 'q';
/** Where the queue's dead letters go. */
export const LETTER_TOPIC = 'dead';
/** Where dead letters are moved to. */
export const MOVED_TOPIC = 'moved';
/** What transactions append to. */
export const RESULT_TOPIC = 'results';
/** Only the engine, and transactions, write to them. */
export const SIDE_TOPICS: readonly string[] = [LETTER_TOPIC, MOVED_TOPIC, RESULT_TOPIC];

export const SHARE_GROUP = 's';
export const QUEUE_GROUP = 'queue';
export const QUEUE_ID = `${QUEUE_TOPIC}/${QUEUE_GROUP}`;
export const LETTERS_ID = `${LETTER_TOPIC}/${QUEUE_GROUP}`;

export interface GroupConfig extends ShareConfig {
  readonly leaseMs: number;
  readonly failuresMax: number;
  readonly expiriesMax: number;
  readonly leasedMax: number;
}

const QUEUE_CONFIG: GroupConfig = {
  leaseMs: 400,
  failuresMax: 2,
  expiriesMax: 2,
  leasedMax: 12,
  deadLetter: LETTER_TOPIC,
};

/** Its dead are kept. */
const SHARE_CONFIG: GroupConfig = {
  leaseMs: 1000,
  failuresMax: 2,
  expiriesMax: 3,
  leasedMax: 8,
  deadLetter: null,
};

/** As the engine makes it. */
const LETTERS_CONFIG: GroupConfig = {
  leaseMs: 30_000,
  failuresMax: 5,
  expiriesMax: 20,
  leasedMax: 2000,
  deadLetter: null,
};

export function isSideTopic(name: string): boolean {
  return SIDE_TOPICS.includes(name);
}

export function configOf(id: string): GroupConfig {
  if (id === QUEUE_ID) return QUEUE_CONFIG;
  return id === LETTERS_ID ? LETTERS_CONFIG : SHARE_CONFIG;
}
