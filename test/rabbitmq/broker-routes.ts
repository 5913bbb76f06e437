/** Where RabbitMQ puts the records of a topology: declared, published and consumed in one channel. */
import type { Channel, ChannelModel } from 'amqplib';
import type { Change, Topology } from './topology.ts';

const NOTHING = Buffer.alloc(0);
/** Sent to each queue last, past all exchanges: what was routed to a queue stands before it. */
const LAST = 'last';

/** How many copies of each record each queue got: a map of queues per record, in order of publishing. */
export type Deliveries = readonly ReadonlyMap<string, number>[];

/**
 * Leaves nothing behind in the broker.
 *
 * @throws Error when another record was returned as unroutable than those that no queue got
 */
export async function brokerRoutesOf(
  connection: ChannelModel,
  topology: Topology,
): Promise<Deliveries> {
  const channel = await connection.createChannel();
  const refused = new Promise<never>((_resolve, reject) => channel.once('error', reject));
  refused.catch(() => {}); // Also when nobody waits any more.
  await Promise.race([refused, declare(channel, topology)]);
  const copies = topology.stages.flatMap(({ publishes }) =>
    publishes.map(() => new Map<string, number>()),
  );
  const returned = new Set<number>();
  channel.on('return', ({ properties }) => returned.add(Number(properties.messageId)));
  const consumed = topology.queues.map((queue) => consume(channel, queue, copies));
  let published = 0;
  for (const { changes, publishes } of topology.stages) {
    await Promise.race([refused, Promise.all(changes.map((change) => apply(channel, change)))]);
    for (const { exchange, key, cc, bcc, headers } of publishes) {
      const further = { ...(cc.length > 0 && { CC: cc }), ...(bcc.length > 0 && { BCC: bcc }) };
      channel.publish(exchange, key, NOTHING, {
        headers: { ...headers, ...further },
        messageId: String(published++),
        mandatory: true,
      });
    }
  }
  for (const queue of topology.queues) channel.sendToQueue(queue, NOTHING, { messageId: LAST });
  await Promise.race([refused, Promise.all(consumed)]);
  for (const [id, queues] of copies.entries()) {
    if (returned.has(id) === queues.size > 0) throw new Error(`a return of record ${id} is wrong`);
  }
  await remove(channel, topology);
  await channel.close();
  return copies;
}

async function declare(channel: Channel, { exchanges, queues }: Topology): Promise<void> {
  await Promise.all([
    ...queues.map((queue) => channel.assertQueue(queue, { exclusive: true, durable: false })),
    ...exchanges.map(({ name, type, alternate }) => {
      const options = alternate === null ? {} : { alternateExchange: alternate };
      return channel.assertExchange(name, type, { durable: false, ...options });
    }),
  ]);
}

async function apply(channel: Channel, { kind, binding }: Change): Promise<void> {
  const { source, destination, key, arguments: given } = binding;
  if (binding.destinationKind === 'queue') {
    if (kind === 'bind') await channel.bindQueue(destination, source, key, given);
    else await channel.unbindQueue(destination, source, key, given);
  } else if (kind === 'bind') await channel.bindExchange(destination, source, key, given);
  else await channel.unbindExchange(destination, source, key, given);
}

/** Counts what a queue holds into `copies` until the last. */
function consume(
  channel: Channel,
  queue: string,
  copies: readonly Map<string, number>[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const take = (id: string | undefined) => {
      if (id === LAST) return resolve();
      const queues = copies[Number(id)];
      if (queues === undefined) return reject(new Error(`${queue} got record ${id}`));
      queues.set(queue, (queues.get(queue) ?? 0) + 1);
    };
    channel
      .consume(queue, (delivery) => take(delivery?.properties.messageId), { noAck: true })
      .catch(reject);
  });
}

async function remove(channel: Channel, { exchanges, queues }: Topology): Promise<void> {
  await Promise.all([
    ...queues.map((queue) => channel.deleteQueue(queue)),
    ...exchanges.map(({ name }) => channel.deleteExchange(name)),
  ]);
}
