/** The engine's own routing, by names instead of ids. */
import { present } from '../../src/core/assert.ts';
import type { BindingIdentity, Target } from '../../src/routing/binding.ts';
import { checkHeaderConditions } from '../../src/routing/header-conditions.ts';
import { checkRoutingKey } from '../../src/format/routing-header.ts';
import { checkPattern, checkRoutingKeys } from '../../src/routing/routing-key.ts';
import { Topology as Graph } from '../../src/routing/topology.ts';
import type { Binding, Change, Exchange, Publish, RouteUnderTest, Topology } from './topology.ts';

const DECLARED = 'it is declared';

export class VarveRoutes implements RouteUnderTest {
  readonly #graph = new Graph();
  /** By position, as queues: some exchange and some queue have the same id. */
  #exchanges: readonly Exchange[] = [];
  #queues: readonly string[] = [];
  #nextBindingId = 1;

  declare({ exchanges, queues }: Pick<Topology, 'exchanges' | 'queues'>): void {
    this.#exchanges = exchanges;
    this.#queues = queues;
    for (const [exchangeId, { type, alternate }] of exchanges.entries()) {
      const alternateId = alternate === null ? null : this.#exchangeId(alternate);
      this.#graph.addExchange({ exchangeId, type, alternateId, isInternal: false });
    }
  }

  change({ kind, binding }: Change): void {
    const identity = this.#identityOf(binding);
    if (kind === 'bind') this.#graph.bind({ ...identity, bindingId: this.#nextBindingId++ });
    else this.#graph.unbind(present(this.#graph.find(identity), 'it is bound').bindingId);
  }

  route({ exchange, key, cc, bcc, headers }: Publish): ReadonlySet<string> {
    const carried = new Map(
      Object.entries(headers).map(([name, value]) => [name, new Uint8Array(Buffer.from(value))]),
    );
    const further = [...checkRoutingKeys('cc', cc), ...checkRoutingKeys('bcc', bcc)];
    const keys = [checkRoutingKey('key', key), ...further];
    const topicIds = this.#graph.routeAll(this.#exchangeId(exchange), keys, carried);
    const queues = new Set(topicIds.map((id) => present(this.#queues[id], DECLARED)));
    if (queues.size < topicIds.length) throw new Error(`${topicIds.join(', ')} has one twice`);
    return queues;
  }

  #identityOf(binding: Binding): BindingIdentity {
    const exchangeId = this.#exchangeId(binding.source);
    const check = this.#exchanges[exchangeId]?.type === 'topic' ? checkPattern : checkRoutingKey;
    return {
      exchangeId,
      target: this.#targetOf(binding),
      routingKey: check('key', binding.key),
      headers: checkHeaderConditions('arguments', binding.arguments),
    };
  }

  #targetOf({ destination, destinationKind }: Binding): Target {
    if (destinationKind === 'exchange')
      return { kind: 'exchange', id: this.#exchangeId(destination) };
    return { kind: 'topic', id: this.#queues.indexOf(destination) };
  }

  #exchangeId(name: string): number {
    const at = this.#exchanges.findIndex((exchange) => exchange.name === name);
    if (at < 0) throw new Error(`no exchange ${name}`);
    return at;
  }
}
