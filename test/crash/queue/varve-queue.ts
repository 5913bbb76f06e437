/** A queue of a store, behind what the harness asks of one. */
import {
  json,
  openStore,
  systemClock,
  type Delivery,
  type Queue,
  type Topic,
} from '../../../src/index.ts';
import type { Content, DeathReason, Place } from '../../support/queue-check/history.ts';
import { FillingDisk } from './filling-disk.ts';
import type {
  DeadLetter,
  HeldRecord,
  QueueSettings,
  TestedQueue,
} from '../../support/queue-check/tested-queue.ts';

const PARTITIONS = 2;
/** Small, so that segments are rolled, and deleted when all of their records are settled. */
const SEGMENT_BYTES = 64 * 1024;
const REASONS: readonly DeathReason[] = ['failures', 'crash', 'lease-expired', 'rejected'];
const text = new TextDecoder();

/** Each consumer has a handle of its own. */
export async function openVarveQueue(settings: QueueSettings): Promise<TestedQueue> {
  const { directory, leaseMs, failuresMax, expiriesMax, consumers } = settings;
  const store = await openStore(directory, {
    fileSystem: new FillingDisk(settings.isDiskFull),
    clock: { ...systemClock, now: settings.wallMs },
  });
  store.on('loop-stalled', ({ stallMs }) => settings.onStall(stallMs));
  const codec = json<Content>();
  const limits = { leaseMs, failuresMax, expiriesMax, deadLetter: 'jobs.dead' };
  const config = { partitions: PARTITIONS, segmentBytesMax: SEGMENT_BYTES, ...limits };
  const handles: Queue<Content>[] = [];
  while (handles.length < consumers) {
    handles.push(await store.queue('jobs', { codec, ...config }));
  }
  const [first] = handles;
  if (first === undefined) throw new Error('a queue without consumers');
  const deadLetters = new DeadLetters(await store.topic('jobs.dead', { codec }));
  return {
    async send(content) {
      const { partition, offset } = await first.send(content, { key: content.key });
      return { partition, offset };
    },
    async acquire({ consumer, max, waitMs }) {
      const deliveries = await (handles[consumer] ?? first).acquire({ max, waitMs });
      return deliveries.map(held);
    },
    async isSettled() {
      const { unsettledCount } = await first.stats();
      return unsettledCount === 0;
    },
    readDeadLetters: () => deadLetters.read(),
    async close() {
      for (const handle of handles) await handle.close();
      await store.close();
    },
  };
}

function held(delivery: Delivery<Content>): HeldRecord {
  const { value, key, partition, offset, ownerEpoch, leaseNumber } = delivery;
  const { attempt, failures, expiries, crashes, signal } = delivery;
  return {
    ...contentOf(value, key),
    attempt,
    failures,
    expiries,
    crashes,
    signal,
    token: { partition, offset, ownerEpoch, leaseNumber },
    ack: () => delivery.ack(),
    release: ({ isFailed, delayMs }) =>
      delivery.release({ failed: isFailed, delayMs, error: 'the handler gave it back' }),
    reject: () => delivery.reject('the handler does not want it'),
    renew: async () => delivery.renew(),
  };
}

/** The key is the record's own. */
function contentOf(value: Content | null, key: string | null): Content {
  return { id: value?.id ?? 'nothing', key: key ?? 'no key', payload: value?.payload ?? '' };
}

class DeadLetters {
  readonly #topic: Topic<Content>;
  readonly #next = new Map<number, number>();

  constructor(topic: Topic<Content>) {
    this.#topic = topic;
  }

  /** Those that came since. */
  async read(): Promise<DeadLetter[]> {
    const letters: DeadLetter[] = [];
    for (let partition = 0; partition < this.#topic.partitions.count; partition++) {
      const from = this.#next.get(partition) ?? 0;
      for await (const record of this.#topic.records({ partitions: partition, from })) {
        const { offset, headers, value, key } = record;
        const copy: Place = { partition, offset };
        letters.push({ ...contentOf(value, key), ...deathIn(headers), copy });
        this.#next.set(partition, offset + 1);
      }
    }
    return letters;
  }
}

function deathIn(
  headers: ReadonlyMap<string, Uint8Array>,
): Omit<DeadLetter, keyof Content | 'copy'> {
  const header = (name: string): string => text.decode(headers.get(`varve-death-${name}`));
  const reason = REASONS.find((known) => known === header('reason'));
  if (reason === undefined) throw new Error(`a dead letter by ${header('reason')}`);
  return {
    origin: { partition: Number(header('partition')), offset: Number(header('offset')) },
    reason,
    attempts: Number(header('attempts')),
  };
}
