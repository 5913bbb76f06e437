/** What is declared and published, for RabbitMQ and for what is compared with it alike. */

export const EXCHANGE_TYPES = ['direct', 'fanout', 'topic', 'headers'] as const;
export type ExchangeType = (typeof EXCHANGE_TYPES)[number];

export interface Exchange {
  readonly name: string;
  readonly type: ExchangeType;
  /** The exchange that gets what no binding of this one matched. */
  readonly alternate: string | null;
}

/** Header values as records carry them; null, in a binding only, asks that the header be there. */
export type HeaderValue = string | Uint8Array;
export type RecordHeaders = Readonly<Record<string, HeaderValue>>;
export type BindingArguments = Readonly<Record<string, HeaderValue | null>>;

export interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly destinationKind: 'queue' | 'exchange';
  /** The routing key of a direct exchange, the pattern of a topic exchange, else empty. */
  readonly key: string;
  /** `x-match` and the headers, of a headers exchange alone. */
  readonly arguments: BindingArguments;
}

export interface Change {
  readonly kind: 'bind' | 'unbind';
  readonly binding: Binding;
}

export interface Publish {
  readonly exchange: string;
  readonly key: string;
  /** Further routing keys. */
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly headers: RecordHeaders;
}

/** Changes, then the records that are published under what is bound by then. */
export interface Stage {
  readonly changes: readonly Change[];
  readonly publishes: readonly Publish[];
}

export interface Topology {
  readonly exchanges: readonly Exchange[];
  readonly queues: readonly string[];
  readonly stages: readonly Stage[];
}

/** What is compared with RabbitMQ: one object for each topology. */
export interface RouteUnderTest {
  /** Once, first: all exchanges (an alternate may stand before or after) and queues. */
  declare(topology: Pick<Topology, 'exchanges' | 'queues'>): void;
  /** Binding what is bound changes nothing; only what is bound is unbound. */
  change(change: Change): void;
  /** The names of the queues that get the record. */
  route(publish: Publish): ReadonlySet<string>;
}

/** The queues of each record of a topology, stage after stage. */
export function routesOf(
  topology: Topology,
  router: RouteUnderTest,
): readonly ReadonlySet<string>[] {
  router.declare(topology);
  return topology.stages.flatMap(({ changes, publishes }) => {
    for (const change of changes) router.change(change);
    return publishes.map((publish) => router.route(publish));
  });
}

/** What makes two bindings the same one. */
export function bindingId(binding: Binding): string {
  const given = Object.entries(binding.arguments).sort(([one], [other]) => (one < other ? -1 : 1));
  const { source, destination, destinationKind, key } = binding;
  return inJson([source, destinationKind, destination, key, given]);
}

/** JSON, with bytes in hexadecimal. */
export function inJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, name, part: unknown) {
    const given = this[name]; // Not `part`, which a Buffer has already made something else of.
    return given instanceof Uint8Array ? `bytes ${Buffer.from(given).toString('hex')}` : part;
  });
}
