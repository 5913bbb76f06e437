/**
 * Publishes of records that may be in the source of their exchange already. Where a record goes is asked in
 * the step that appends it, and so are the bindings that its batch names; a duplicate goes nowhere again.
 */
import type { Codec } from '../codec/codec.ts';
import type { AppendOptions } from '../log/append-result.ts';
import { checkAppendOptions } from '../log/append-result.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { PreparedRecords } from '../log/prepared-records.ts';
import type { DedupPart } from '../topic/dedup-call.ts';
import type { DuplicatePublish, PublishInput, PublishPlan } from './publish-options.ts';
import type { Addressed, PublishRouter } from './publish-router.ts';

/** Records of a call, checked and encoded. */
interface OnceInput {
  readonly part: DedupPart;
  readonly addressed: readonly Addressed[];
}

export interface OnceResult {
  /** Of the first that was appended, or would have been. */
  readonly baseOffset: number;
  readonly recordCount: number;
  readonly durability: DurabilityLevel;
  /** By record: where it is in the source, and where it goes; null = it is a duplicate. */
  readonly records: readonly OnceRecord[];
  readonly duplicates: readonly DuplicatePublish[];
}

interface OnceRecord {
  readonly offset: number;
  readonly topicIds: readonly number[] | null;
}

/** Checks and encodes at once. @throws as `Exchange.publish` */
export function onceInput<Input>(
  router: PublishRouter,
  codec: Codec<unknown, Input>,
  inputs: readonly PublishInput<Input>[],
): OnceInput {
  const { settings, clock } = router.sources;
  const addressed = inputs.map((input) => router.address(input));
  const prepared = new PreparedRecords({ codec, limits: settings });
  const records = inputs.map(({ value, key, createTimeMs }, at) => ({
    value,
    key,
    headers: addressed[at]?.headers,
    createTimeMs,
  }));
  const part = {
    partition: 0,
    records: prepared.copies(records, clock.now()),
    ids: inputs.map(({ dedupId }) => dedupId ?? null),
    indexes: [...inputs.keys()],
  };
  return { part, addressed };
}

/** @throws as `Exchange.publish` */
export async function publishOnce(
  router: PublishRouter,
  { part, addressed }: OnceInput,
  plan: PublishPlan,
  given: AppendOptions,
): Promise<OnceResult> {
  const { sources } = router;
  const options = checkAppendOptions(given, sources.settings.durability);
  const topicIds: (readonly number[] | null)[] = addressed.map(() => null);
  const admit = (indexes: readonly number[]): void => {
    router.checkThere();
    for (const index of indexes) {
      const record = addressed[index];
      if (record !== undefined) topicIds[index] = router.route(record, plan, index);
    }
  };
  try {
    const outcome = await sources.dedup.append({ parts: [part], options, admit });
    const [placed] = outcome.placed;
    const baseOffset = placed?.baseOffset ?? sources.at(0).opened?.endOffset ?? 0;
    const duplicates = outcome.duplicates.map(({ index, offset }) => ({ index, offset }));
    const { recordCount = 0, durability = options.durability } = placed ?? {};
    const records = placesOf(topicIds, baseOffset, duplicates);
    return { baseOffset, recordCount, durability, records, duplicates };
  } catch (error) {
    router.checkThere(); // Whose source is gone is told of the exchange.
    throw sources.toldOf(error);
  }
}

function placesOf(
  topicIds: readonly (readonly number[] | null)[],
  baseOffset: number,
  duplicates: readonly DuplicatePublish[],
): readonly OnceRecord[] {
  const before = new Map(duplicates.map(({ index, offset }) => [index, offset]));
  let next = baseOffset;
  return topicIds.map((own, index) => {
    const offset = before.get(index);
    return offset === undefined ? { offset: next++, topicIds: own } : { offset, topicIds: null };
  });
}
