/** A publish that a producer sends: it is in the source once, and routed in the step in which it gets there. */
import { present } from '../core/assert.ts';
import type { EncodableRecord } from '../format/batch-encoder.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import { PreparedRecords } from '../log/prepared-records.ts';
import type { PublishWay, Publishing } from './publish-part.ts';
import { planPublish, type PublishOptions, type PublishPlan } from './publish-options.ts';
import type { Addressed } from './publish-router.ts';

const NOWHERE: readonly number[] = [];

export class ProducedPublish<Input> {
  readonly records: readonly EncodableRecord[];
  readonly #way: PublishWay;
  readonly #addressed: Addressed;
  readonly #plan: PublishPlan;
  /** Where it goes; nowhere until it is appended. */
  #topicIds = NOWHERE;

  /** Checked and encoded at once. @throws as `Exchange.publish` */
  constructor(
    { way, codec }: Pick<Publishing<Input>, 'way' | 'codec'>,
    value: Input | null,
    options: PublishOptions,
  ) {
    const { router } = way;
    const { sources } = router;
    this.#way = way;
    this.#plan = planPublish(options);
    this.#addressed = router.address(options);
    const { key, createTimeMs } = options;
    const prepared = new PreparedRecords({ codec, limits: sources.settings });
    const record = { value, key, headers: this.#addressed.headers, createTimeMs };
    this.records = prepared.copies([record], sources.clock.now());
  }

  /** To be called in the step in which it is appended. @throws ClosedError, UnroutableError */
  route(): void {
    const { router } = this.#way;
    router.checkThere();
    this.#topicIds = router.route(this.#addressed, this.#plan);
  }

  /** It is appended. @returns names of the queues and topics that get it */
  published(durability: DurabilityLevel): readonly string[] {
    const { router, projector } = this.#way;
    const { opened } = present(router.sources.all()[0], 'a source has one');
    // Only what is durable is copied. Who closes the log syncs it.
    if (durability !== 'sync' && opened !== null && opened.life.closing === null) {
      opened.forStore().encoded.syncSoon();
    }
    projector.poke(router.exchangeId);
    return router.exchanges.namesOf(this.#topicIds);
  }

  /**
   * With `confirm: 'routed'`: resolves when it is where it goes; what was stored before, where it would go
   * now.
   *
   * @param offset  null = not known any more: all that there is @throws as `Exchange.publish`
   */
  async arrived(offset: number | null, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#plan.waitsForRoutes) return;
    const { router, projector } = this.#way;
    const isStored = this.#topicIds === NOWHERE;
    const plan = { isMandatory: false };
    const topicIds = isStored ? router.route(this.#addressed, plan) : this.#topicIds;
    const last = offset ?? (await router.sources.at(0).use(async ({ endOffset }) => endOffset - 1));
    await projector.routed(router.exchangeId, { offset: last, topicIds }, signal);
  }
}
