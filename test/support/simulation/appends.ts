/** The operations of a program that append, and what their answers mean. */
import { FailedError, IoError, WrongOffsetError } from '../../../src/core/errors.ts';
import { randomBelow } from '../../../src/core/random.ts';
import { DURABILITY_LEVELS, type DurabilityLevel } from '../../../src/log/log-options.ts';
import { describeError } from './describe-error.ts';
import { chance, pick } from './plan.ts';
import { inputFor, type SentRecord } from './records.ts';
import type { Session } from './session.ts';
import type { World } from './world.ts';

/** A call in flight, as it was when it was made. */
interface Sent {
  readonly records: readonly SentRecord[];
  readonly offset: number;
  readonly asked: DurabilityLevel | null;
  /** The writer had failed before. */
  readonly isLate: boolean;
  /** It named an offset that it could not get. */
  readonly isWrong: boolean;
}

/** One record, now and then under the condition of an offset, right or wrong. */
export function append(session: Session): void {
  const { world, log } = session;
  const { random, oracle } = world;
  const record = world.nextRecord();
  const input = inputFor(record);
  const asked = levelFor(world);
  const offset = log.endOffset;
  const isWrong = chance(random, 0.05);
  const expects = isWrong || chance(random, 0.1);
  const expectedOffset = isWrong ? offset + 1 + randomBelow(random, 3) : offset;
  const answer = log.append(input, {
    ...(asked === null ? {} : { durability: asked }),
    ...(expects ? { expectedOffset } : {}),
  });
  input.value?.fill(0xee); // The caller's buffer is the caller's again.
  const sent = noteSent(session, { records: [record], offset, asked, isWrong });
  void session.follow(
    answer,
    (result) => {
      if (result.offset !== offset) oracle.fault('A3', `${result.offset} acked, ${offset} sent`);
      acked(session, sent, result.durability);
    },
    (error) => rejected(session, sent, error),
  );
}

/** Up to a dozen records with one promise. */
export function appendBatch(session: Session): void {
  const { world, log } = session;
  const { random, oracle } = world;
  const records = Array.from({ length: randomBelow(random, 12) }, () => world.nextRecord());
  const inputs = records.map(inputFor);
  const asked = levelFor(world);
  const offset = log.endOffset;
  const answer = log.appendBatch(inputs, asked === null ? {} : { durability: asked });
  for (const { value } of inputs) value?.fill(0xee);
  const sent = noteSent(session, { records, offset, asked, isWrong: false });
  void session.follow(
    answer,
    (result) => {
      if (result.baseOffset !== offset || result.recordCount !== records.length) {
        oracle.fault('A3', `${result.recordCount} acked at ${result.baseOffset}, sent ${offset}`);
      }
      acked(session, sent, result.durability);
    },
    (error) => rejected(session, sent, error),
  );
}

/** Some records without a promise; whether they are there is asked later, or never. */
export function appendNoWait(session: Session): void {
  const { world, log } = session;
  const { random, oracle } = world;
  try {
    for (let left = 1 + randomBelow(random, 6); left > 0; left--) {
      const record = world.nextRecord();
      const expected = log.endOffset;
      const offset = log.appendNoWait(inputFor(record));
      if (offset < 0) {
        void session.follow(log.ready(), () => world.narrate('ready'));
        break;
      }
      world.narrate(`appendNoWait ${record.id} for ${offset}`);
      if (offset !== expected) oracle.fault('A3', `appendNoWait said ${offset}, not ${expected}`);
      oracle.sent(record, offset);
      session.unanswered.push({ record, offset });
    }
  } catch (error) {
    session.explain(error);
  }
  if (chance(random, 0.6)) flush(session, 'flushed');
}

/** Asks whether everything so far is there: at the log's level, or synced. */
export function flush(session: Session, call: 'flushed' | 'sync'): void {
  const { world, log, unanswered } = session;
  const { oracle, plan, tally } = world;
  const level = call === 'sync' || plan.options.durability === 'sync' ? 'sync' : 'os';
  const { endOffset } = log;
  world.narrate(`${call}() at end ${endOffset}`);
  session.unanswered = [];
  void session.follow(
    log[call](),
    () => {
      world.narrate(`${call}() at end ${endOffset} done`);
      for (const { record, offset } of unanswered) oracle.acked(record, offset, level);
      tally.add('acks', unanswered.length);
      if (level === 'sync') oracle.told(endOffset);
      else oracle.writtenUpTo(endOffset);
    },
    (error) => {
      for (const { record } of unanswered) oracle.uncertain(record);
      session.explain(error);
    },
  );
}

function noteSent(session: Session, call: Omit<Sent, 'isLate'>): Sent {
  const { world, log } = session;
  const { oracle } = world;
  const { records, offset, isWrong } = call;
  const wasTaken = log.endOffset > offset;
  world.narrate(`append ${namesOf(records)} for ${offset}${wasTaken ? '' : ': refused at once'}`);
  if (wasTaken) records.forEach((record, at) => oracle.sent(record, offset + at));
  if (wasTaken && isWrong)
    oracle.fault('expected', `a wrong expectedOffset was taken at ${offset}`);
  return { ...call, isLate: session.hasFailed };
}

function acked(session: Session, sent: Sent, reached: DurabilityLevel): void {
  if (sent.records.length === 0) return;
  const { oracle, plan, tally, narrate } = session.world;
  const { records, offset, isLate } = sent;
  const asked = sent.asked ?? plan.options.durability;
  narrate(`acked ${namesOf(records)} at ${offset}, ${reached}`);
  if (DURABILITY_LEVELS.indexOf(reached) < DURABILITY_LEVELS.indexOf(asked)) {
    oracle.fault('level', `asked for ${asked}, told ${reached}`);
  }
  if (isLate) oracle.fault('A17', `offset ${offset} was sent to a failed writer and acknowledged`);
  records.forEach((record, at) => oracle.acked(record, offset + at, reached));
  tally.add('acks', records.length);
}

function rejected(session: Session, sent: Sent, error: unknown): void {
  const { oracle, tally, narrate } = session.world;
  const { records, offset } = sent;
  narrate(`rejected ${namesOf(records)}: ${String(error)}`);
  const isWrongOffset = error instanceof WrongOffsetError;
  if (!(isWrongOffset && sent.isWrong) && !session.isExplained(error)) {
    oracle.fault('error', `unexpected ${describeError(error)}`);
  }
  if (error instanceof FailedError && error.details.indeterminate) {
    tally.add('indeterminate', records.length);
    return;
  }
  const keptCount = error instanceof IoError ? (error.details.appendedCount ?? 0) : 0;
  if (keptCount > 0) oracle.writtenUpTo(offset + keptCount);
  for (const record of records.slice(keptCount)) oracle.refused(record);
  tally.add('refusals', records.length - keptCount);
}

function levelFor({ plan, random }: World): DurabilityLevel | null {
  return plan.mixesLevels && chance(random, 0.5) ? pick(random, DURABILITY_LEVELS) : null;
}

function namesOf(records: readonly SentRecord[]): string {
  const first = records[0]?.id ?? -1;
  return records.length === 1 ? `#${first}` : `#${first}+${records.length - 1}`;
}
