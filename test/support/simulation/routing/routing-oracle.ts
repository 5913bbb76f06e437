/**
 * A10: what each destination log must hold, from what the sources hold, the versions of their batches,
 * and what was bound when: filtered record by record, without anything of what projects.
 *
 * A stream is all that one exchange sends a log by its bindings, or the past that one binding asked for,
 * as far as no binding before gave it. Within a stream nothing is missing, twice or in another order;
 * streams may be interleaved. No record is twice in a destination, whatever sent it.
 */
import { present } from '../../../../src/core/assert.ts';
import type { Target } from '../../../../src/routing/binding.ts';
import { murmur2 } from '../../../../src/topic/partitioner.ts';
import { ReferenceTopology, type ReferenceBinding } from '../../reference/graph-route.ts';
import { Given } from './given-records.ts';
import { LetOffs } from './let-offs.ts';
import { LogLedger, type Identify, type SeenRecord } from './log-ledger.ts';
import { RoutingTransactions } from './routing-transactions.ts';
import type { Fault, TopologyTimeline } from './topology-timeline.ts';

export interface Published {
  readonly id: number;
  readonly routingKey: string;
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
}

export class Source {
  readonly exchangeId: number;
  readonly name: string;
  readonly ledger: LogLedger;
  /** Records were deleted that nobody saw: what depends on them is not known. */
  isBlind = false;
  /** Deleted: a backfill that began later may find what is left of it, or not. */
  isGone = false;

  constructor(exchangeId: number, name: string, identify: Identify) {
    this.exchangeId = exchangeId;
    this.name = name;
    this.ledger = new LogLedger(`source of ${name}`, identify);
  }
}

export interface Backfill {
  readonly binding: ReferenceBinding;
  /** Records of this version and later ones are not the past. */
  readonly version: number;
  /** By id of the exchange: from where on; others have none. */
  readonly fromOffsets: ReadonlyMap<number, number>;
  /** By id of the exchange: what stands below may have gone before the binding was made. */
  readonly startOffsets: ReadonlyMap<number, number>;
  /** Exchanges that were gone: whether something was left of their pasts nobody knows. */
  readonly goneIds: ReadonlySet<number>;
}

export class Destination {
  readonly topicId: number;
  readonly name: string;
  readonly ledgers: LogLedger[] = [];
  /** Ids of records that were appended beside routing. */
  readonly plain = new Set<number>();

  constructor(topicId: number, name: string) {
    this.topicId = topicId;
    this.name = name;
  }
}

/** A record of a source, and whether it must have arrived when all is quiet. */
export interface Due {
  readonly id: number;
  readonly offset: number;
  /** The destination was let off it, unless it has got it, or it need not have been there. */
  readonly isForgiven: boolean;
  /** Whether it was there when it was asked for. */
  readonly wasThere: boolean;
}

export interface Stream {
  readonly name: string;
  readonly exchangeId: number;
  /** As batches call it: 0, or the id of a binding. */
  readonly number: number;
  readonly due: readonly Due[];
  /** Nobody knows whether it has begun, or all of what it has. */
  readonly isOptional: boolean;
}

export class RoutingOracle {
  readonly timeline: TopologyTimeline;
  readonly published = new Map<number, Published>();
  readonly sources = new Map<number, Source>();
  readonly destinations = new Map<number, Destination>();
  readonly backfills: Backfill[] = [];
  readonly letOffs = new LetOffs();
  readonly transactions = new RoutingTransactions();
  readonly #fault: Fault;

  constructor(timeline: TopologyTimeline, fault: Fault) {
    this.timeline = timeline;
    this.#fault = fault;
  }

  /** Topic ids to which a record goes under a version. */
  route(exchangeId: number, record: Published, topology: ReferenceTopology): readonly number[] {
    if (!topology.exchanges.some(({ id }) => id === exchangeId)) return [];
    return topology.route(exchangeId, [record.routingKey], headersOf(record));
  }

  /** Complains about everything that is wrong now. @param isQuiet  all that is due is there */
  check(when: string, isQuiet: boolean): void {
    for (const problem of this.problems(isQuiet)) this.#fault('A10', `${when}: ${problem}`);
  }

  problems(isQuiet: boolean): string[] {
    const byLog = this.#streamsByLog();
    const problems: string[] = [];
    for (const destination of this.destinations.values()) {
      for (const [partition, ledger] of destination.ledgers.entries()) {
        const streams = byLog.get(`${destination.topicId}/${partition}`) ?? [];
        problems.push(...this.#problemsOf(ledger, { streams, plain: destination.plain, isQuiet }));
      }
      problems.push(...copiedTwice(destination));
      if (isQuiet) problems.push(...this.#missingOf(destination, byLog));
    }
    if (isQuiet) problems.push(...this.transactions.problems());
    return problems;
  }

  /** Where each record of each stream belongs. */
  #streamsByLog(): ReadonlyMap<string, readonly Stream[]> {
    const byLog = new Map<string, Stream[]>();
    for (const source of this.sources.values()) {
      const given = new Given(this.destinations);
      for (const backfill of [null, ...this.backfills]) {
        const from = backfill === null ? 0 : backfill.fromOffsets.get(source.exchangeId);
        if (from === undefined) continue;
        const number = backfill?.binding.bindingId ?? 0;
        const { exchangeId, isBlind } = source;
        // A binding that has ended gets no more of the past.
        const hasEnded = backfill !== null && !this.#isBound(backfill.binding.bindingId);
        const isUnknown = isBlind || backfill?.goneIds.has(exchangeId) === true;
        const kind = backfill === null ? 'live' : `backfill ${number}`;
        const stream = { exchangeId, number, name: `${kind} of ${source.name}` };
        for (const [log, all] of this.#dueOf(source, backfill, from)) {
          const due = all.filter(({ id }) => !given.has(log, id));
          const isOptional = isUnknown || hasEnded || given.isUnknown(log);
          const streams = byLog.get(log) ?? [];
          streams.push({ ...stream, isOptional, due });
          byLog.set(log, streams);
          if (isUnknown) given.unknownLogs.add(log);
          if (backfill === null) continue;
          if (hasEnded) given.addSeen(log, { exchangeId, number }, due);
          else given.add(log, due);
        }
      }
    }
    return byLog;
  }

  #isBound(wanted: number): boolean {
    return this.timeline.now.bindings.some(({ bindingId }) => bindingId === wanted);
  }

  #dueOf(source: Source, backfill: Backfill | null, from: number): ReadonlyMap<string, Due[]> {
    const due = new Map<string, Due[]>();
    const routes = new Map<string, readonly number[]>(); // Most records have one of a few keys.
    for (const { id, offset, batch } of source.ledger.inOrder) {
      const { version } = batch;
      if (offset < from || (backfill !== null && version >= backfill.version)) continue;
      const record = this.published.get(id);
      if (record === undefined) {
        this.#fault('source', `${source.name} holds #${id}, which nobody published`);
        continue;
      }
      const way = JSON.stringify([version, record.routingKey, record.headers]);
      const topicIds =
        routes.get(way) ?? this.#topicsOf(source.exchangeId, record, { version, backfill });
      routes.set(way, topicIds);
      for (const topicId of topicIds) {
        const log = `${topicId}/${this.#partitionOf(record, offset, topicId, version)}`;
        const list = due.get(log) ?? [];
        const wasThere = offset >= (backfill?.startOffsets.get(source.exchangeId) ?? 0);
        const isLetOff = offset < this.letOffs.belowOffset(source.exchangeId, topicId);
        list.push({ id, offset, isForgiven: isLetOff || !wasThere, wasThere });
        due.set(log, list);
      }
    }
    return due;
  }

  #topicsOf(
    exchangeId: number,
    record: Published,
    how: { readonly version: number; readonly backfill: Backfill | null },
  ): readonly number[] {
    const topology = this.timeline.at(how.version);
    const before = this.route(exchangeId, record, topology);
    if (how.backfill === null) return before;
    const { binding } = how.backfill;
    if (!hasEnds(topology, binding.exchangeId, binding.target)) return [];
    const wider = new ReferenceTopology();
    wider.exchanges = topology.exchanges;
    wider.bindings = [...topology.bindings, binding];
    const after = this.route(exchangeId, record, wider);
    return after.filter((topicId) => !before.includes(topicId));
  }

  #partitionOf(record: Published, offset: number, topicId: number, version: number): number {
    const count = present(this.timeline.sizeAt(topicId, version), 'something led there');
    if (record.key === null) return offset % count;
    return (murmur2(Buffer.from(record.key)) & 0x7fff_ffff) % count;
  }

  /** What a destination lacks that it was let off is as much as was said. */
  #missingOf(destination: Destination, byLog: ReadonlyMap<string, readonly Stream[]>): string[] {
    const { topicId, name, ledgers } = destination;
    const missing = new Map<number, number>();
    for (const [partition, { records, unseenCount }] of ledgers.entries()) {
      const streams = byLog.get(`${topicId}/${partition}`) ?? [];
      if (unseenCount > 0 || streams.some(({ isOptional }) => isOptional)) return [];
      for (const { exchangeId, number, due } of streams) {
        const seen = [...records.values()].filter(
          ({ batch: { from } }) => from?.exchangeId === exchangeId && from.stream === number,
        );
        const arrived = new Set(seen.map(({ id }) => id));
        const lacks = due.filter(({ id, wasThere }) => wasThere && !arrived.has(id)).length;
        missing.set(exchangeId, (missing.get(exchangeId) ?? 0) + lacks);
      }
    }
    return [...missing].flatMap(([exchangeId, count]) => {
      const countMax = this.letOffs.countMax(exchangeId, topicId);
      if (countMax === null || count <= countMax) return [];
      return [`${name}: ${count} records are missing; it was let off ${countMax}`];
    });
  }

  #problemsOf(
    ledger: LogLedger,
    what: {
      readonly streams: readonly Stream[];
      readonly plain: ReadonlySet<number>;
      readonly isQuiet: boolean;
    },
  ): string[] {
    const { streams, plain, isQuiet } = what;
    const problems: string[] = [];
    const { inOrder, unseenCount } = ledger;
    const isBlind = streams.some(({ isOptional }) => isOptional);
    // Of all that a source had for it nobody may have seen anything.
    const isOfBlind = ({ batch: { from } }: SeenRecord): boolean =>
      from !== null && this.sources.get(from.exchangeId)?.isBlind === true;
    const byNumber = new Map(streams.map((one) => [`${one.exchangeId}/${one.number}`, one]));
    const seenBy = new Map<string, number[]>();
    for (const seen of inOrder) {
      const { from } = seen.batch;
      if (from === null) {
        if (!plain.has(seen.id)) problems.push(`#${seen.id} at ${seen.offset}: nobody appended it`);
        continue;
      }
      const stream = byNumber.get(`${from.exchangeId}/${from.stream}`);
      problems.push(...(stream === undefined ? [] : problemsOfCopy(seen, stream)));
      const isDue = stream?.due.some(({ id }) => id === seen.id) ?? false;
      const isOpen = isBlind || this.sources.get(from.exchangeId)?.isBlind === true;
      if (!isDue && !isOpen) {
        const of = stream?.name ?? `stream ${from.exchangeId}/${from.stream}`;
        problems.push(`#${seen.id} at ${seen.offset} does not belong there (${of})`);
      }
      const key = `${from.exchangeId}/${from.stream}`;
      seenBy.set(key, [...(seenBy.get(key) ?? []), seen.id]);
    }
    for (const [key, stream] of byNumber) {
      const seen = seenBy.get(key) ?? [];
      problems.push(...problemsOfStream(stream, seen, { isQuiet, unseenCount }));
    }
    problems.push(...problemsOfPositions(ledger, byNumber));
    if (isQuiet && plain.size === 0 && !isBlind && !inOrder.some(isOfBlind)) {
      const due = streams.flatMap((one) => one.due);
      const dueMin = due.filter(({ isForgiven }) => !isForgiven).length;
      if (ledger.end < dueMin || ledger.end > due.length) {
        problems.push(`it has had ${ledger.end} records, ${due.length} are due`);
      }
    }
    return problems.map((problem) => `${ledger.name}: ${problem}`);
  }
}

/** One copy per destination. */
function copiedTwice({ name, ledgers }: Destination): string[] {
  const copied = new Set<number>();
  const twice = new Set<number>();
  for (const { inOrder } of ledgers) {
    for (const { id, batch } of inOrder) {
      if (batch.from === null) continue;
      (copied.has(id) ? twice : copied).add(id);
    }
  }
  return twice.size === 0 ? [] : [`${name} has ${[...twice].map((id) => `#${id}`).join()} twice`];
}

/** The source offset that a copy names is that of the record. */
function problemsOfCopy({ id, offset, batch }: SeenRecord & { offset: number }, stream: Stream) {
  const named = batch.from?.offsets[offset - batch.baseOffset] ?? null;
  const due = stream.due.find((one) => one.id === id);
  if (due === undefined || due.offset === named) return [];
  return [`#${id} at ${offset} is said to come from ${named}, it stands at ${due.offset}`];
}

function problemsOfStream(
  { name, due, isOptional }: Stream,
  seen: readonly number[],
  { isQuiet, unseenCount }: { readonly isQuiet: boolean; readonly unseenCount: number },
): string[] {
  const ids = due.map(({ id }) => id);
  const places = seen.map((id) => ids.indexOf(id));
  const known = places.filter((place) => place >= 0);
  const wrongAt = known.findIndex((place, at) => at > 0 && place <= (known[at - 1] ?? -1));
  if (wrongAt >= 0) return [`${name}: order or number is wrong: ${seen.join()}, not ${ids.join()}`];
  if (isOptional) return [];
  const arrived = new Set(seen);
  const lacking = due.filter(({ id, isForgiven }) => !isForgiven && !arrived.has(id));
  const lastPlace = known.at(-1) ?? -1;
  if (unseenCount === 0) {
    const hasStranger = known.length < places.length;
    const hasGap = lacking.some(({ id }) => ids.indexOf(id) < lastPlace);
    if (hasStranger || hasGap) return [`${name}: a gap: ${seen.join()}, not ${ids.join()}`];
    const isMissing = isQuiet && lacking.length > 0;
    return isMissing ? [`${name}: ${seen.join()} arrived, of ${ids.join()}`] : [];
  }
  // The last may have gone before anybody looked, too.
  const last = lacking.filter(({ id }) => ids.indexOf(id) > lastPlace);
  const isMissing = isQuiet && seen.length > 0 && last.length > unseenCount;
  return isMissing ? [`${name}: ends with #${seen.at(-1)}, not #${ids.at(-1)}`] : [];
}

/** All below the position of a batch is in it or before, and all above is behind it. */
function problemsOfPositions(ledger: LogLedger, byNumber: ReadonlyMap<string, Stream>): string[] {
  const problems: string[] = [];
  const { inOrder } = ledger;
  for (const { exchangeId, number, due } of byNumber.values()) {
    const own = inOrder.filter(
      ({ batch: { from } }) => from?.exchangeId === exchangeId && from.stream === number,
    );
    const places = new Map(own.map(({ id, offset }) => [id, offset]));
    // Deleted unseen, or missing, which others complain about.
    const placed = due.flatMap(({ id, offset }) => {
      const place = places.get(id);
      return place === undefined ? [] : [{ id, offset, place }];
    });
    for (const { from, nextOffset } of new Set(own.map(({ batch }) => batch))) {
      const position = from?.position ?? 0;
      for (const { id, offset, place } of placed) {
        if (offset < position === place < nextOffset) continue;
        problems.push(`a batch to ${nextOffset} is at ${position}; #${id} stands at ${place}`);
      }
    }
  }
  return problems;
}

function hasEnds(topology: ReferenceTopology, exchangeId: number, target: Target): boolean {
  const isThere = (id: number): boolean => topology.exchanges.some((one) => one.id === id);
  return isThere(exchangeId) && (target.kind === 'topic' || isThere(target.id));
}

/** As the record has them, its key among them. */
export function headersOf({ headers, routingKey }: Published): ReadonlyMap<string, Uint8Array> {
  const own = Object.entries(headers ?? {}).map(
    ([name, text]) => [name, Buffer.from(text)] as const,
  );
  return new Map([['varve-routing-key', Buffer.from(routingKey)] as const, ...own]);
}
