/** What a transaction publishes, to whatever exchanges. */
import { present } from '../core/assert.ts';
import type { Codec } from '../codec/codec.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { FingerprintTag } from '../log/batch-tag.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import { runBytesOf } from '../log/record-run.ts';
import type { DedupPart } from '../topic/dedup-call.ts';
import type { ClaimedRange, DedupClaim } from '../topic/dedup-claim.ts';
import { CommitLogs, type CommitPiece } from '../transaction/commit-log.ts';
import {
  COMMIT_DURABILITY,
  type CommitOutcome,
  type CommitPart,
  type PartCollector,
} from '../transaction/commit-part.ts';
import type { Committed } from '../transaction/transaction-options.ts';
import type { Projector } from './projector.ts';
import { onceInput } from './publish-once.ts';
import {
  planTransactionPublish,
  type PublishPlan,
  type PublishResult,
  type TransactionPublishOptions,
} from './publish-options.ts';
import type { Addressed, PublishRouter } from './publish-router.ts';

/** An exchange, and what is behind it. */
export interface PublishWay {
  readonly router: PublishRouter;
  readonly projector: Pick<Projector, 'poke' | 'routed'>;
}

/** As of `Exchange.publish`. */
export interface Publishing<Input> {
  readonly way: PublishWay;
  readonly codec: Codec<unknown, Input>;
  readonly value: Input | null;
  readonly options: TransactionPublishOptions;
}

/** Where a record stands among those of its transaction. */
interface PublishPlace {
  readonly piece: CommitPiece;
  /** Among those that may be in the source already; null = it cannot be. */
  readonly range: ClaimedRange | null;
}

interface Publish extends PublishPlace {
  readonly addressed: Addressed;
  readonly plan: PublishPlan;
  readonly committed: { result: PublishResult | null };
  /** Where it goes in the version that its source part has. */
  topicIds: readonly number[];
}

/** What goes to one exchange. */
interface SourcePart {
  readonly way: PublishWay;
  readonly publishes: Publish[];
  /** What may be in the source already; null = nothing. */
  claim: DedupClaim | null;
  /** Of the topology that its records were routed by; -1 = they were not yet. */
  version: number;
}

/** A source has one. */
const SOURCE_PARTITION = 0;
const NOWHERE: readonly number[] = [];

export class PublishPart implements CommitPart {
  readonly #logs = new CommitLogs();
  /** By exchange. */
  readonly #sources = new Map<number, SourcePart>();

  /** Checked and encoded at once. @throws as `Publishable` */
  publish<Input>(into: PartCollector, publishing: Publishing<Input>): Committed<PublishResult> {
    const { way, codec, value, options } = publishing;
    const { router } = way;
    into.checkStore('exchange', router.exchanges.sources);
    const plan = planTransactionPublish(options);
    const input = Object.assign({ value }, options);
    const { part, addressed } = onceInput(router, codec, [input]);
    const { records } = part;
    const mayHold = router.mayHold(options);
    const tag = mayHold ? new FingerprintTag(new Uint32Array(2 * records.length)) : null;
    into.reserve({ bytes: runBytesOf([{ records, tag }]), records: 1 });
    const committed: Publish['committed'] = { result: null };
    const source = this.#sourceOf(way);
    source.publishes.push({
      addressed: present(addressed[0], 'of the one record'),
      plan,
      committed,
      topicIds: NOWHERE,
      ...(mayHold ? this.#claim(source, part) : this.#append(source, records)),
    });
    return committed;
  }

  prepare(): Promise<void> | null {
    for (const { way } of this.#sources.values()) way.router.checkThere();
    return this.#logs.prepare();
  }

  /** As of `AppendPart`. */
  obstacle(): Promise<void> | null {
    for (const { claim } of this.#sources.values()) {
      const obstacle = claim?.obstacle() ?? null;
      if (obstacle !== null) return obstacle;
    }
    return null;
  }

  /** An exchange that was deleted meanwhile has nothing to give its records to. */
  secure(): void {
    for (const { way, claim } of this.#sources.values()) {
      way.router.checkThere();
      claim?.secure();
    }
  }

  changes(): readonly never[] {
    return [];
  }

  appends(): readonly PreparedAppend[] {
    return this.#logs.appends();
  }

  /** In one step with the batch, which says by which version it goes. */
  check(): void {
    for (const source of this.#sources.values()) {
      const { router } = source.way;
      router.checkThere();
      const { version } = router.exchanges;
      if (version === source.version) continue;
      for (const publish of source.publishes) {
        if (publish.piece.recordCount === 0) continue; // It went where it went.
        publish.topicIds = router.route(publish.addressed, publish.plan);
      }
      source.version = version;
    }
  }

  end(outcome: CommitOutcome): void {
    if (outcome.kind === 'committed') {
      this.#logs.committed(outcome.baseOffsets);
      for (const source of this.#sources.values()) {
        source.claim?.committed();
        for (const publish of source.publishes)
          publish.committed.result = resultOf(publish, source);
        // The journal has them: that is durable enough to be copied.
        const { projector, router } = source.way;
        projector.poke(router.exchangeId);
      }
    } else for (const { claim } of this.#sources.values()) claim?.failed(outcome.error);
    this.#logs.release();
  }

  async arrived(signal: AbortSignal | undefined): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const { way, publishes } of this.#sources.values()) {
      for (const { committed, topicIds } of publishes) {
        const { offset, duplicate } = present(committed.result, 'it is committed');
        const record = duplicate ? { offset, topicIds: null } : { offset, topicIds };
        waits.push(way.projector.routed(way.router.exchangeId, record, signal));
      }
    }
    await Promise.all(waits);
  }

  #append({ way }: SourcePart, records: readonly EncodableRecord[]): PublishPlace {
    const runs = [{ records, tag: null }];
    return { piece: this.#logs.add(way.router.sources, SOURCE_PARTITION, runs), range: null };
  }

  #claim(source: SourcePart, part: DedupPart): PublishPlace {
    const { sources } = source.way.router;
    source.claim ??= sources.dedup.claim();
    const { claimed, range } = source.claim.add([part]);
    const own = present(claimed[0], 'of the one part');
    return { piece: this.#logs.add(sources, SOURCE_PARTITION, [], own), range };
  }

  #sourceOf(way: PublishWay): SourcePart {
    const { exchangeId } = way.router;
    const known = this.#sources.get(exchangeId);
    if (known !== undefined) return known;
    const made = { way, publishes: [], claim: null, version: -1 };
    this.#sources.set(exchangeId, made);
    return made;
  }
}

function resultOf({ piece, range, topicIds }: Publish, { way, claim }: SourcePart): PublishResult {
  const [before] = range === null ? [] : (claim?.duplicatesIn(range) ?? []);
  const { exchanges } = way.router;
  return {
    offset: before?.offset ?? piece.placed.baseOffset,
    durability: COMMIT_DURABILITY,
    destinations: exchanges.namesOf(topicIds),
    duplicate: before !== undefined,
  };
}
