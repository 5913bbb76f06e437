/** Commands on commits over several topics: alone, and beside all that may come between. */
import { deepStrictEqual, ok, rejects } from 'node:assert/strict';

import * as fc from 'fast-check';

import { isStoreError } from '../../../src/core/errors.ts';
import { change, type Change } from '../../../src/journal/journal.ts';
import type { Store } from '../../../src/store/store.ts';
import { topicDeleted } from '../../../src/topic/topic-state.ts';
import { count, onTopic, type StoreCommand, type TopicPlace } from './command.ts';
import {
  applyCommit,
  placeCommit,
  prepareCommit,
  recordsIn,
  watchParts,
  type DrawnCommit,
  type ModelCommit,
} from './commits.ts';
import { forgetMembers, type ModelRecord, type StoreModel } from './model.ts';
import type { RealStore } from './real-store.ts';
import { PARTITIONS_MAX, record, share, topicAt } from './topic-commands.ts';

const drawnCommit: fc.Arbitrary<DrawnCommit> = fc.record({
  parts: fc.array(
    fc.record({
      topic: topicAt,
      partition: fc.nat(PARTITIONS_MAX - 1),
      records: fc.array(record, { minLength: 1, maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4, size: 'max' },
  ),
  mark: fc.option(fc.record({ group: fc.constantFrom('g', 'h'), share }), { freq: 2 }),
});

/** Of a topic that never was. */
const MISFIT: Change = change(topicDeleted, { topicId: 4711 });

async function commitAlone({ model, real }: TopicPlace, drawn: DrawnCommit, isMisfit: boolean) {
  const { committer } = await real.store();
  const planned = placeCommit(model, drawn);
  const { appends, changes } = await prepareCommit(real, planned);
  const allSeen = await watchParts(real, planned);
  const all = isMisfit ? [...changes, MISFIT] : changes;
  const committed = committer.commit({ appends, changes: all });
  // What does not fit is left out; all else stands.
  if (isMisfit) await rejects(committed, { code: 'ERR_VARVE_CONFLICT' });
  else {
    const { baseOffsets } = await committed;
    const expected = planned.parts.map((part) => recordsIn(part).length);
    deepStrictEqual(baseOffsets, expected);
  }
  await allSeen();
  applyCommit(model, planned);
}

interface Race {
  readonly commits: readonly DrawnCommit[];
  /** Whether the topic of the command is deleted meanwhile, before or after they are asked for. */
  readonly deletes: 'never' | 'first' | 'last';
  readonly ending: 'wait' | 'cut' | 'kill';
  /** Of the file system, before that ending. */
  readonly callCount: number;
}

type Status = 'open' | 'answered' | 'closed';

/** Several commits in one turn, behind plain appends: each is whole or absent, in order. */
class CommitRace {
  readonly #place: TopicPlace;
  readonly #race: Race;
  readonly #commits: { readonly planned: ModelCommit; status: Status }[] = [];
  /** One each, in front of the commits, in the partitions of the first. */
  readonly #plain = new Map<ModelRecord[], { readonly sent: ModelRecord; isAnswered: boolean }>();
  #isDeleted: boolean | 'open' = false;

  constructor(place: TopicPlace, race: Race) {
    this.#place = place;
    this.#race = race;
  }

  async run(): Promise<void> {
    const { model, real } = this.#place;
    const { ending, callCount, commits } = this.#race;
    for (const drawn of commits) {
      this.#commits.push({ planned: placeCommit(model, drawn), status: 'open' });
    }
    const answers = await this.#begin();
    const { fileSystem } = real.disk;
    if (ending === 'wait') await Promise.all(answers);
    else {
      fileSystem.crashAt = { call: fileSystem.callCount + 1 + callCount, when: 'inside' };
      await Promise.race([fileSystem.crashed, Promise.all(answers)]);
      if (ending === 'cut') real.cutPower();
      else real.kill();
      forgetMembers(model);
    }
    await this.#adopt(model, real);
    await real.compare(model);
  }

  /** Asks for everything at once. @returns what ends when it was answered */
  async #begin(): Promise<Promise<void>[]> {
    const { real } = this.#place;
    const { deletes } = this.#race;
    const store = await real.store();
    const prepared = [];
    for (const { planned } of this.#commits) prepared.push(await prepareCommit(real, planned));
    const answers = await this.#appendPlain();
    if (deletes === 'first') answers.push(this.#delete(store));
    for (const [at, commit] of prepared.entries()) {
      answers.push(this.#follow(store.committer.commit(commit), at));
    }
    if (deletes === 'last') answers.push(this.#delete(store));
    return answers;
  }

  async #appendPlain(): Promise<Promise<void>[]> {
    const { model, real } = this.#place;
    const answers: Promise<void>[] = [];
    for (const part of this.#commits[0]?.planned.parts ?? []) {
      const line = { sent: { key: null, value: model.nextTag() }, isAnswered: false };
      const topic = await real.topic(part.name);
      this.#plain.set(recordsIn(part), line);
      answers.push(
        topic.append(line.sent, { partition: part.partition }).then(
          () => this.#told(() => (line.isAnswered = true)),
          (error: unknown) => this.#told(() => this.#checkClosed(error)),
        ),
      );
    }
    return answers;
  }

  async #follow(committed: Promise<unknown>, at: number): Promise<void> {
    const commit = this.#commits[at];
    if (commit === undefined) return;
    await committed.then(
      () => this.#told(() => (commit.status = 'answered')),
      (error: unknown) =>
        this.#told(() => {
          this.#checkClosed(error);
          const names = commit.planned.parts.map(({ name }) => name);
          ok(names.includes(this.#place.name), 'refused, and none of its topics was deleted');
          commit.status = 'closed';
        }),
    );
  }

  /** Nobody was told anything after the crash. */
  #told(what: () => void): void {
    if (!this.#place.real.disk.fileSystem.isCrashed) what();
  }

  #checkClosed(error: unknown): void {
    ok(this.#race.deletes !== 'never', `refused without a reason: ${String(error)}`);
    ok(isStoreError(error, 'ERR_VARVE_CLOSED'), String(error));
  }

  async #delete(store: Store): Promise<void> {
    this.#isDeleted = 'open';
    await store.deleteTopic(this.#place.name);
    this.#told(() => (this.#isDeleted = true));
  }

  /** Takes over what is there, when it is possible. */
  async #adopt(model: StoreModel, real: RealStore): Promise<void> {
    await this.#adoptDeletion(model, real);
    const found = new Map<ModelRecord[], ModelRecord[]>();
    for (const { planned } of this.#commits) {
      for (const part of planned.parts) {
        if (model.topics.get(part.name) !== part.topic) continue;
        const there = recordsIn(part);
        found.set(there, await real.recordsOf(part.name, part.partition, there.length));
      }
    }
    const expected = new Map([...found.keys()].map((there) => [there, [...there]]));
    for (const [there, line] of this.#plain) {
      const isThere = found.get(there)?.some(({ value }) => value === line.sent.value) ?? false;
      if (found.has(there)) ok(isThere || !line.isAnswered, 'an acknowledged append is lost');
      if (isThere) there.push(line.sent);
    }
    this.#adoptCommits(model, found);
    for (const [there, before] of expected) {
      deepStrictEqual(there.slice(before.length), found.get(there));
    }
  }

  #adoptCommits(model: StoreModel, found: ReadonlyMap<ModelRecord[], readonly ModelRecord[]>) {
    let isOver = false;
    for (const { planned, status } of this.#commits) {
      const places = planned.parts.filter((part) => found.has(recordsIn(part)));
      const isIn = ({ value }: ModelRecord, there: ModelRecord[]) =>
        found.get(there)?.some((one) => one.value === value) ?? false;
      const sent = places.flatMap((part) => part.records.map((one) => isIn(one, recordsIn(part))));
      if (sent.length === 0) continue; // All of it was in the topic that is gone.
      const isThere = sent.includes(true);
      ok(!isThere || !sent.includes(false), 'a commit is there in part');
      ok(isThere || status !== 'answered', 'an acknowledged commit is lost');
      ok(!isThere || status !== 'closed', 'a refused commit is there');
      if (this.#race.deletes === 'never') ok(!isThere || !isOver, 'one before it is not there');
      isOver ||= !isThere;
      count(isThere ? 'raced' : 'raced in vain');
      if (isThere) applyCommit(model, { parts: places, mark: markIn(planned, places) });
    }
  }

  async #adoptDeletion(model: StoreModel, real: RealStore): Promise<void> {
    const { name } = this.#place;
    const isListed = (await real.store()).topics().some((topic) => topic.name === name);
    if (this.#isDeleted !== 'open') deepStrictEqual(isListed, !this.#isDeleted);
    if (isListed) return;
    model.topics.delete(name);
    real.forgetTopic(name);
  }
}

function markIn({ mark }: ModelCommit, parts: ModelCommit['parts']): ModelCommit['mark'] {
  return mark !== null && parts.includes(mark.part) ? mark : null;
}

const race: fc.Arbitrary<Race> = fc.record({
  commits: fc.array(drawnCommit, { minLength: 1, maxLength: 3, size: 'max' }),
  deletes: fc.constantFrom('never', 'never', 'never', 'first', 'last'),
  ending: fc.constantFrom('wait', 'cut', 'cut', 'kill'),
  callCount: fc.nat(20),
});

export const commitCommands: fc.Arbitrary<StoreCommand>[] = [
  fc
    .tuple(topicAt, drawnCommit, fc.nat(9))
    .map(([at, drawn, odds]) =>
      onTopic(`commitOver ${JSON.stringify(drawn)}${odds === 0 ? ', misfit' : ''}`, at, (place) =>
        commitAlone(place, drawn, odds === 0),
      ),
    ),
  fc
    .tuple(topicAt, race)
    .map(([at, drawn]) =>
      onTopic(`race ${JSON.stringify(drawn)}`, at, (place) => new CommitRace(place, drawn).run()),
    ),
];
