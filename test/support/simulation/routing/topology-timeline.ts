/**
 * Which topology counted when: what the store lists after each change that was answered, by version. A
 * change that nobody was told of may be there after a crash, or not; it is never there in part.
 */
import { present } from '../../../../src/core/assert.ts';
import type { Binding } from '../../../../src/routing/binding.ts';
import type { HeaderConditions } from '../../../../src/routing/header-conditions.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { Conditions } from '../../reference/headers-match.ts';
import { ReferenceTopology, type ReferenceBinding } from '../../reference/graph-route.ts';

/** The topology as the program means it: a line per exchange, and one per binding. */
export type Lines = ReadonlySet<string>;

interface Era {
  readonly version: number;
  readonly topology: ReferenceTopology;
}

/** Who complains. */
export type Fault = (promise: string, what: string) => void;

export function exchangeLine(name: string, type: string, alternate: string | null): string {
  return `${name} ${type} else ${alternate ?? 'nowhere'}`;
}

export function bindingLine(
  exchange: string,
  destination: string,
  pattern: string,
  headers: Conditions | null,
): string {
  const asked = headers === null ? [] : Object.entries(headers);
  const shown = asked.filter(([name]) => name !== 'x-match').map(([name, value]) => [name, value]);
  const match = headers?.['x-match'] ?? 'all';
  const conditions =
    headers === null
      ? ''
      : JSON.stringify([match, shown.map(String).toSorted((one, other) => (one < other ? -1 : 1))]);
  return `${exchange} -> ${destination} by ${JSON.stringify(pattern)} ${conditions}`;
}

export class TopologyTimeline {
  readonly #fault: Fault;
  #eras: Era[] = [{ version: 0, topology: new ReferenceTopology() }];
  /** By topic id, from the first binding on. */
  readonly #sizes = new Map<number, { readonly version: number; readonly count: number }[]>();
  /** Every name that an id ever had: `topic x` or `exchange x`. */
  readonly names = new Map<number, string>();
  /** As the last answer left it, and what may have become of it since. */
  #lines: Lines = new Set();
  #next: Lines | null = null;

  constructor(fault: Fault) {
    this.#fault = fault;
  }

  get version(): number {
    return present(this.#eras.at(-1), 'there is a first').version;
  }

  get now(): ReferenceTopology {
    return present(this.#eras.at(-1), 'there is a first').topology;
  }

  get lines(): Lines {
    return this.#lines;
  }

  /** A change is asked for: it leads to these lines, or nowhere. */
  asked(lines: Lines): void {
    this.#next = lines;
  }

  /** What counted under a version. */
  at(version: number): ReferenceTopology {
    const era = this.#eras.findLast((one) => one.version <= version);
    return present(era, 'versions begin at 0').topology;
  }

  /** Partitions of a topic under a version; before anything led there, those when something first did. */
  sizeAt(topicId: number, version: number): number | null {
    const sizes = this.#sizes.get(topicId) ?? [];
    return (sizes.findLast((one) => one.version <= version) ?? sizes[0])?.count ?? null;
  }

  /** Takes over what the store lists, and complains when that cannot be. */
  adopt(store: Store, when: string, isAnswered: boolean): void {
    const { version } = store.exchangeCatalog;
    const { lines, topology } = this.#look(store);
    const allowed = isAnswered ? [this.#next ?? this.#lines] : [this.#lines, this.#next];
    const isAllowed = allowed.some((one) => one !== null && isSame(one, lines));
    if (!isAllowed) {
      this.#fault('topology', `${when}: ${show(lines)}, not ${allowed.map(show).join(' or ')}`);
    }
    if (version < this.version) this.#fault('topology', `${when}: version ${version} goes back`);
    this.#lines = lines;
    // Of a topic that is being deleted, what leads there goes last: not yet, where that failed.
    if (isAnswered || !this.#hasStrayBinding(store)) this.#next = null;
    // What a failed journal has of a change that it raised no version for does not count.
    if (version === this.version) return;
    this.#eras.push({ version, topology });
    this.#size(store, version);
  }

  #look(store: Store): { readonly lines: Lines; readonly topology: ReferenceTopology } {
    const topology = new ReferenceTopology();
    const lines = new Set<string>();
    for (const { topicId, name } of store.topics()) this.names.set(topicId, `topic ${name}`);
    const listed = store.exchanges();
    for (const { exchangeId, name } of listed) this.names.set(exchangeId, `exchange ${name}`);
    for (const { exchangeId, name, type, alternate } of listed) {
      const other = listed.find((one) => one.name === alternate);
      topology.exchanges.push({ id: exchangeId, type, alternateId: other?.exchangeId ?? null });
      lines.add(exchangeLine(name, type, alternate));
      for (const binding of store.exchangeCatalog.bindings(name)) {
        const one = referenceBinding(binding);
        topology.bindings.push(one);
        const to = this.names.get(one.target.id) ?? `unknown ${one.target.id}`;
        lines.add(bindingLine(name, to, one.routingKey, one.headers));
      }
    }
    return { lines, topology };
  }

  #hasStrayBinding(store: Store): boolean {
    const listed = new Set(store.topics().map(({ topicId }) => topicId));
    return this.now.bindings.some(
      ({ target }) => target.kind === 'topic' && !listed.has(target.id),
    );
  }

  #size(store: Store, version: number): void {
    for (const { topicId, partitionCount } of store.topics()) {
      const sizes = this.#sizes.get(topicId) ?? [];
      const [first] = sizes;
      if (first === undefined && !isBound(this.now, topicId)) continue;
      // When nothing is left of the time when something led there, how large it was may be forgotten.
      const knownCount = store.exchangeCatalog.partitionCountAt(topicId, first?.version ?? 0);
      const isForgotten = first !== undefined && knownCount !== first.count;
      const sinceVersion = isForgotten ? this.#leftSince(topicId, version) : version;
      if (sizes.at(-1)?.count !== partitionCount) {
        sizes.push({ version: sinceVersion, count: partitionCount });
      }
      this.#sizes.set(topicId, sizes);
    }
  }

  /** From which version on nothing led to a topic, below this one; this one when something did. */
  #leftSince(topicId: number, version: number): number {
    let since = version;
    for (const era of this.#eras.toReversed()) {
      if (era.version >= version) continue;
      if (isBound(era.topology, topicId)) break;
      since = era.version;
    }
    return since;
  }
}

function isBound({ bindings }: ReferenceTopology, topicId: number): boolean {
  return bindings.some(({ target }) => target.id === topicId);
}

function referenceBinding({ headers, ...binding }: Binding): ReferenceBinding {
  return { ...binding, headers: headers === null ? null : conditionsOf(headers) };
}

function conditionsOf({ match, conditions }: HeaderConditions): Conditions {
  const asked = conditions.map(({ name, value }) => [
    name,
    value === null ? null : Buffer.from(value).toString(),
  ]);
  return { 'x-match': match, ...Object.fromEntries(asked) };
}

function isSame(one: Lines, other: Lines): boolean {
  return one.size === other.size && [...one].every((line) => other.has(line));
}

function show(lines: Lines | null): string {
  return lines === null
    ? ''
    : `[${[...lines].toSorted((one, other) => (one < other ? -1 : 1)).join('; ')}]`;
}
