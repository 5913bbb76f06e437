/**
 * Random topologies and the records that are published into them.
 *
 * Few words, names and values, so that much matches, and some topologies with neither alternates nor
 * bindings between exchanges, so that not everything reaches every queue.
 */
import { randomBelow, type Random } from '../../src/core/random.ts';
import {
  bindingId,
  EXCHANGE_TYPES,
  type Binding,
  type BindingArguments,
  type Change,
  type Exchange,
  type ExchangeType,
  type HeaderValue,
  type Publish,
  type RecordHeaders,
  type Stage,
  type Topology,
} from './topology.ts';

const EXCHANGES_OF_A_TYPE_MAX = 6;
const QUEUES_MAX = 8;
const BINDINGS_OF_AN_EXCHANGE_MAX = 5;
const WORDS_MAX = 4;
const STAGES = 2;
/** Of CC, and of BCC. */
const FURTHER_KEYS_MAX = 3;

const WORDS = ['a', 'b', 'A', '', 'ü'];
/** What only patterns mean something by: in a key they are words like any other. */
const RARE_WORDS = ['*', '#', '**', 'a#', ' '];
const HEADER_NAMES = ['h', 'i', 'j', 'x-one', 'x-two'];
const HEADER_VALUES: readonly HeaderValue[] = ['1', '2', '', Buffer.from('1'), Buffer.from([255])];
/** Of bindings that are not routed by them, yet are others with others. */
const IDLE_KEYS = ['', 'a', 'b'];
const IDLE_ARGUMENTS: readonly BindingArguments[] = [{}, {}, {}, { h: '1' }, { h: null }];
const MATCHES = [null, 'all', 'any', 'all-with-x', 'any-with-x'];
/** As long as a routing key or pattern can be: 255 bytes. Of few words, as each `#` tries them all. */
const LONGEST_KEY = `a.${'b'.repeat(251)}.a`;

/** How likely a binding leads to an exchange, or an exchange has an alternate, in one topology. */
const LIKELIHOODS = [0, 0.15, 0.4];

export interface TopologyOptions {
  /** In front of every name. */
  readonly prefix: string;
  /** What the exchanges are that records are published to. */
  readonly type: ExchangeType;
  readonly recordCount: number;
}

export function randomTopology(random: Random, options: TopologyOptions): Topology {
  return new TopologyMaker(random, options).make();
}

class TopologyMaker {
  readonly #random: Random;
  readonly #options: TopologyOptions;
  readonly #exchanges: readonly Exchange[];
  readonly #queues: readonly string[];
  readonly #exchangeLikelihood: number;
  /** Keys that bindings are made of are published more often than chance would have it. */
  readonly #keys: readonly string[];
  readonly #bound = new Map<string, Binding>();

  constructor(random: Random, options: TopologyOptions) {
    this.#random = random;
    this.#options = options;
    const names = EXCHANGE_TYPES.flatMap((type) =>
      this.#numbered(EXCHANGES_OF_A_TYPE_MAX, `${type}-`).map((name) => ({ name, type })),
    );
    const likelihood = this.#one(LIKELIHOODS) * 2;
    this.#exchanges = names.map(({ name, type }) => {
      const alternate = this.#happens(likelihood) ? this.#one(names).name : null;
      return { name, type, alternate };
    });
    this.#queues = this.#numbered(QUEUES_MAX, 'queue-');
    this.#exchangeLikelihood = this.#one(LIKELIHOODS);
    this.#keys = Array.from({ length: 6 }, () => this.#key());
  }

  make(): Topology {
    const stages: Stage[] = [];
    for (let stage = 0; stage < STAGES; stage++) {
      const changes = stage === 0 ? this.#firstBindings() : this.#furtherChanges();
      const recordCount = Math.ceil(this.#options.recordCount / STAGES);
      const publishes = Array.from({ length: recordCount }, () => this.#publish());
      stages.push({ changes, publishes });
    }
    return { exchanges: this.#exchanges, queues: this.#queues, stages };
  }

  #firstBindings(): Change[] {
    return this.#exchanges.flatMap((exchange) =>
      Array.from({ length: randomBelow(this.#random, BINDINGS_OF_AN_EXCHANGE_MAX + 1) }, () =>
        this.#bind(this.#binding(exchange)),
      ),
    );
  }

  /** Some go, some come, some are bound once more. */
  #furtherChanges(): Change[] {
    const changes: Change[] = [];
    for (const binding of this.#bound.values()) {
      if (this.#happens(0.1)) changes.push(this.#bind(binding));
      if (!this.#happens(0.4)) continue;
      this.#bound.delete(bindingId(spelledOut(binding)));
      changes.push({ kind: 'unbind', binding });
    }
    for (const exchange of this.#exchanges) {
      if (this.#happens(0.4)) changes.push(this.#bind(this.#binding(exchange)));
    }
    return changes;
  }

  /** Never in two spellings at once: Varve takes them for one binding, RabbitMQ for two. */
  #bind(binding: Binding): Change {
    const id = bindingId(spelledOut(binding));
    const bound = this.#bound.get(id) ?? binding;
    this.#bound.set(id, bound);
    return { kind: 'bind', binding: bound };
  }

  #binding({ name: source, type }: Exchange): Binding {
    const isToExchange = this.#happens(this.#exchangeLikelihood);
    const destinationKind = isToExchange ? 'exchange' : 'queue';
    const destination = isToExchange ? this.#one(this.#exchanges).name : this.#one(this.#queues);
    const key = this.#bindingKey(type);
    const given = type === 'headers' ? this.#arguments() : this.#one(IDLE_ARGUMENTS);
    return { source, destination, destinationKind, key, arguments: given };
  }

  #bindingKey(type: ExchangeType): string {
    if (type === 'topic') return this.#pattern();
    return this.#one(type === 'direct' ? this.#keys : IDLE_KEYS);
  }

  #publish(): Publish {
    const { type } = this.#options;
    const exchange = this.#one(this.#exchanges.filter((each) => each.type === type)).name;
    const key = this.#happens(0.6) ? this.#one(this.#keys) : this.#key();
    const further = (): string[] => (this.#happens(0.1) ? this.#furtherKeys() : []);
    return { exchange, key, cc: further(), bcc: further(), headers: this.#headers() };
  }

  #furtherKeys(): string[] {
    return Array.from({ length: 1 + randomBelow(this.#random, FURTHER_KEYS_MAX) }, () =>
      this.#happens(0.6) ? this.#one(this.#keys) : this.#key(),
    );
  }

  #key(): string {
    if (this.#happens(0.02)) return LONGEST_KEY;
    const words = Array.from({ length: randomBelow(this.#random, WORDS_MAX + 1) }, () =>
      this.#one(this.#happens(0.03) ? RARE_WORDS : WORDS),
    );
    return words.join('.');
  }

  /** A key of which some words became wildcards, or words of its own. */
  #pattern(): string {
    const words = this.#happens(0.5) ? this.#one(this.#keys).split('.') : this.#key().split('.');
    const pattern = words.flatMap((word) => {
      const chance = this.#random.next();
      if (chance < 0.2) return ['*'];
      if (chance < 0.35) return ['#'];
      if (chance < 0.45) return ['#', word];
      return chance < 0.5 ? [] : [word];
    });
    if (this.#happens(0.2)) pattern.push('#');
    const joined = pattern.join('.');
    return joined.length > LONGEST_KEY.length ? LONGEST_KEY : joined;
  }

  #arguments(): BindingArguments {
    const match = this.#one(MATCHES);
    const given: Record<string, HeaderValue | null> = match === null ? {} : { 'x-match': match };
    for (let header = randomBelow(this.#random, 4); header > 0; header--) {
      given[this.#one(HEADER_NAMES)] = this.#happens(0.25) ? null : this.#one(HEADER_VALUES);
    }
    return given;
  }

  #headers(): RecordHeaders {
    const headers: Record<string, HeaderValue> = {};
    for (const name of HEADER_NAMES) {
      if (this.#happens(0.5)) headers[name] = this.#one(HEADER_VALUES);
    }
    if (this.#happens(0.1)) headers['x-match'] = this.#one(['all', 'any', 'any-with-x']);
    return headers;
  }

  #numbered(max: number, name: string): string[] {
    const count = 1 + randomBelow(this.#random, max);
    return Array.from({ length: count }, (_, at) => `${this.#options.prefix}${name}${at}`);
  }

  #happens(likelihood: number): boolean {
    return this.#random.next() < likelihood;
  }

  #one<T>(all: readonly T[]): T {
    return all[randomBelow(this.#random, all.length)] as T;
  }
}

/** With the `x-match` that is meant when there is none, and text as the bytes that it is. */
function spelledOut(binding: Binding): Binding {
  const given = Object.entries({ 'x-match': 'all', ...binding.arguments }).map(([name, value]) => [
    name,
    typeof value === 'string' ? Buffer.from(value) : value,
  ]);
  return { ...binding, arguments: Object.fromEntries(given) as BindingArguments };
}
