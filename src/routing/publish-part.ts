/** What a transaction publishes, to whatever exchanges. */
import { toError } from '../core/abort.ts';
import { present } from '../core/assert.ts';
import type { Codec } from '../codec/codec.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import { PreparedRecords, type PreparedAppend } from '../log/prepared-records.ts';
import { runBytesOf, type RecordRun } from '../log/record-run.ts';
import { holdForCommit, type CommitTarget } from '../topic/commit-target.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import {
  COMMIT_DURABILITY,
  type CommitOutcome,
  type CommitPart,
  type PartCollector,
} from '../transaction/commit-part.ts';
import type { Committed } from '../transaction/transaction-options.ts';
import { settleAll } from '../core/settle-all.ts';
import type { Projector } from './projector.ts';
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
  /** Its one partition is the source of the exchange. */
  readonly sources: PartitionSet;
  readonly projector: Pick<Projector, 'poke' | 'routed'>;
}

/** As of `Exchange.publish`. */
export interface Publishing<Input> {
  readonly way: PublishWay;
  readonly codec: Codec<unknown, Input>;
  readonly value: Input | null;
  readonly options: TransactionPublishOptions;
}

interface Publish {
  readonly addressed: Addressed;
  readonly plan: PublishPlan;
  readonly committed: { result: PublishResult | null };
  /** Where it goes in the version that its source part has. */
  topicIds: readonly number[];
}

/** What goes to one exchange. */
interface SourcePart {
  readonly way: PublishWay;
  /** In order, as their records in `runs`. */
  readonly publishes: Publish[];
  readonly runs: RecordRun[];
  target: CommitTarget | null;
  /** Of the topology that its records were routed by; -1 = they were not yet. */
  version: number;
  /** Of its first record, once that is committed. */
  baseOffset: number;
}

const NOWHERE: readonly number[] = [];

export class PublishPart implements CommitPart {
  /** By exchange. */
  readonly #sources = new Map<number, SourcePart>();

  /** Checked and encoded at once. @throws as `Publishable` */
  publish<Input>(into: PartCollector, publishing: Publishing<Input>): Committed<PublishResult> {
    const { way, codec, value, options } = publishing;
    const { router, sources } = way;
    into.checkStore('exchange', router.exchanges.sources);
    const plan = planTransactionPublish(options);
    const addressed = router.address(options);
    const { key, createTimeMs } = options;
    const prepared = new PreparedRecords({ codec, limits: sources.settings });
    const record = { value, key, headers: addressed.headers, createTimeMs };
    const records = prepared.copies([record], sources.clock.now());
    into.reserve({ bytes: bytesOf(records), records: 1 });
    const committed: Publish['committed'] = { result: null };
    const source = this.#sourceOf(way);
    source.publishes.push({ addressed, plan, committed, topicIds: NOWHERE });
    source.runs.push({ records, tag: null });
    return committed;
  }

  prepare(): Promise<void> | null {
    const opening: Promise<void>[] = [];
    for (const source of this.#sources.values()) {
      const opened = openFor(source);
      if (opened !== null) opening.push(opened);
    }
    return opening.length === 0 ? null : settleAll(opening).then(() => undefined);
  }

  /** An exchange that was deleted meanwhile has nothing to give its records to. */
  secure(): void {
    for (const { way } of this.#sources.values()) way.router.checkThere();
  }

  changes(): readonly never[] {
    return [];
  }

  appends(): readonly PreparedAppend[] {
    return Array.from(this.#sources.values(), ({ runs, target }) => {
      const { logId, appender } = present(target, 'it was prepared');
      return { logId, appender, runs };
    });
  }

  /** In one step with the batch, which says by which version it goes. */
  check(): void {
    for (const source of this.#sources.values()) {
      const { router } = source.way;
      router.checkThere();
      const { version } = router.exchanges;
      if (version === source.version) continue;
      for (const publish of source.publishes) {
        publish.topicIds = router.route(publish.addressed, publish.plan);
      }
      source.version = version;
    }
  }

  end(outcome: CommitOutcome): void {
    for (const { target } of this.#sources.values()) target?.release();
    if (outcome.kind === 'failed') return;
    let at = 0;
    for (const source of this.#sources.values()) {
      source.baseOffset = present(outcome.baseOffsets[at++], 'one for each log');
      fill(source);
      // The journal has them: that is durable enough to be copied.
      const { projector, router } = source.way;
      projector.poke(router.exchangeId);
    }
  }

  async arrived(signal: AbortSignal | undefined): Promise<void> {
    const waits: Promise<void>[] = [];
    for (const { way, publishes, baseOffset } of this.#sources.values()) {
      for (const [at, { topicIds }] of publishes.entries()) {
        const record = { offset: baseOffset + at, topicIds };
        waits.push(way.projector.routed(way.router.exchangeId, record, signal));
      }
    }
    await Promise.all(waits);
  }

  #sourceOf(way: PublishWay): SourcePart {
    const { exchangeId } = way.router;
    const known = this.#sources.get(exchangeId);
    if (known !== undefined) return known;
    const made = { way, publishes: [], runs: [], target: null, version: -1, baseOffset: -1 };
    this.#sources.set(exchangeId, made);
    return made;
  }
}

/** @returns null = it is open. Never throws: others may be on their way, and must be waited for */
function openFor(source: SourcePart): Promise<void> | null {
  try {
    const { router, sources } = source.way;
    router.checkThere();
    const target = holdForCommit(sources, 0);
    if (target instanceof Promise) return take(source, target);
    source.target = target;
    return null;
  } catch (error) {
    return Promise.reject(toError(error));
  }
}

async function take(source: SourcePart, target: Promise<CommitTarget>): Promise<void> {
  source.target = await target;
}

function fill({ way, publishes, baseOffset }: SourcePart): void {
  const { exchanges } = way.router;
  for (const [at, { committed, topicIds }] of publishes.entries()) {
    const destinations = exchanges.namesOf(topicIds);
    committed.result = { offset: baseOffset + at, durability: COMMIT_DURABILITY, destinations };
  }
}

function bytesOf(records: readonly EncodableRecord[]): number {
  return runBytesOf([{ records, tag: null }]);
}
