/** Members of one consumer group whose handlers end when a test says so, and what is wrong with them. */
import type { ManualClock } from '../../src/core/clock.ts';
import { FencedError } from '../../src/core/ownership-errors.ts';
import type { ConsumerGroup } from '../../src/group/consumer-group.ts';
import type { RecordBatch } from '../../src/log/record.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { turns } from './log-fixture.ts';

/** Turns of the event loop in which everything comes to rest that waits for no clock and no handler. */
const SETTLE_TURNS = 14;

export interface MembersOptions {
  readonly topic: StoreTopic<string>;
  readonly clock: ManualClock;
  readonly group: string;
  readonly singleActive: boolean;
}

interface Work {
  readonly batch: RecordBatch<string>;
  readonly startMs: number;
  readonly end: (commits: boolean) => void;
}

interface Member {
  readonly group: ConsumerGroup<string>;
  readonly name: string;
  readonly pollMsMax: number;
  readonly reading: Promise<void>;
  /** The batch that its handler is at. */
  work: Work | null;
}

export class Members {
  readonly violations: string[] = [];
  readonly tally = { joins: 0, batches: 0, commits: 0, fenced: 0, revoked: 0, lost: 0 };
  /** In the order in which they joined. */
  readonly #members: Member[] = [];
  readonly #options: MembersOptions;
  /** By partition: where its owner goes on. */
  readonly #positions: number[] = [];

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#members.length;
  }

  async join(pollMsMax: number): Promise<void> {
    const { topic, group: name, singleActive } = this.#options;
    const group = await topic.consumerGroup(name, {
      pollMsMax,
      singleActive,
      onAssigned: (partitions) => {
        for (const at of partitions) this.#positions[at] = group.committed(at)?.offset ?? 0;
      },
      onRevoked: (partitions) => void (this.tally.revoked += partitions.length),
      onLost: (partitions) => void (this.tally.lost += partitions.length),
    });
    const own = `#${++this.tally.joins}`;
    const member: Member = {
      group,
      name: own,
      pollMsMax,
      work: null,
      reading: Promise.resolve().then(() => this.#read(member)),
    };
    this.#members.push(member);
    await this.#settle();
  }

  /** The member leaves, also from within its handler. */
  async leave(at: number): Promise<void> {
    const [member] = this.#members.splice(at, 1);
    if (member === undefined) return;
    await member.group.close();
    member.work?.end(false);
    await member.reading;
    await this.#settle();
  }

  /** The handler of the member ends, if it is at work; the member comes for its next batch. */
  async finish(at: number, commits: boolean): Promise<void> {
    this.#members[at]?.work?.end(commits);
    await this.#settle();
  }

  async wait(ms: number): Promise<void> {
    this.#options.clock.advance(ms);
    await this.#settle();
  }

  async append(partition: number): Promise<void> {
    await this.#options.topic.append({ value: 'more' }, { partition });
    await this.#settle();
  }

  async close(): Promise<void> {
    while (this.count > 0) await this.leave(0);
  }

  /** Everything that must be true whenever nothing moves. */
  check(): void {
    const isAlive = this.#members.some((one) => one.work === null || this.#isInTime(one));
    const owners = this.#members.flatMap(({ name, group }) =>
      group.assignment.map((partition) => ({ name, partition })),
    );
    const { partitions } = this.#options.topic;
    for (let partition = 0; partition < partitions.count; partition++) {
      const own = owners.filter((owner) => owner.partition === partition);
      const names = own.map(({ name }) => name).join(' and ');
      if (own.length !== (isAlive ? 1 : 0))
        this.#complain(partition, `is owned by ${names || 'nobody'}`);
      const idle = this.#members.find(({ name, work }) => work === null && own[0]?.name === name);
      const { visibleOffset = 0 } = partitions.at(partition).opened ?? {};
      const isUnread = (this.#positions[partition] ?? 0) < visibleOffset;
      if (idle !== undefined && isUnread) {
        this.#complain(partition, `waits, and ${idle.name}, whose it is, does nothing`);
      }
    }
  }

  async #read(member: Member): Promise<void> {
    for await (const batch of member.group.batches()) {
      this.#handedOut(member, batch);
      const { clock } = this.#options;
      const commits = await new Promise<boolean>((end) => {
        member.work = { batch, end, startMs: clock.monotonic() };
      });
      const isInTime = this.#isInTime(member);
      member.work = null;
      if (commits) await this.#commit(member, batch, isInTime);
    }
  }

  #handedOut(member: Member, { partition, baseOffset, nextOffset }: RecordBatch<string>): void {
    this.tally.batches++;
    for (const other of this.#members) {
      if (other.work?.batch.partition !== partition || !this.#isInTime(other)) continue;
      this.#complain(partition, `is read by ${member.name}, and ${other.name} is still at it`);
    }
    const expected = this.#positions[partition] ?? 0;
    if (baseOffset !== expected) {
      this.#complain(partition, `goes on at ${baseOffset}, not at ${expected}`);
    }
    this.#positions[partition] = nextOffset;
  }

  async #commit(member: Member, batch: RecordBatch<string>, isInTime: boolean): Promise<void> {
    const { partition, nextOffset } = batch;
    try {
      await member.group.commit(batch);
      this.tally.commits++;
      if (!isInTime)
        this.#complain(partition, `took a commit of ${member.name}, which had lost it`);
      const { offset } = member.group.committed(partition) ?? {};
      if (offset !== nextOffset) this.#complain(partition, `is at ${offset}, not ${nextOffset}`);
    } catch (error) {
      if (!(error instanceof FencedError)) throw error;
      this.tally.fenced++;
      if (isInTime) this.#complain(partition, `was taken from ${member.name} before its time`);
    }
  }

  /** Whether it has come, or will yet come, within `pollMsMax`. */
  #isInTime({ work, pollMsMax }: Member): boolean {
    const nowMs = this.#options.clock.monotonic();
    return work !== null && nowMs - work.startMs < pollMsMax;
  }

  #complain(partition: number, what: string): void {
    this.violations.push(`partition ${partition} ${what}`);
  }

  async #settle(): Promise<void> {
    await turns(SETTLE_TURNS);
  }
}
