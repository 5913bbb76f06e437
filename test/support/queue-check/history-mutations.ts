/**
 * Ways to break a legal history in one place. Each says what the checker must find then, and answers
 * null when the history offers no place for it.
 */
import {
  placeKey,
  tokenKey,
  type Delivered,
  type QueueEvent,
  type SettleEnded,
} from './history.ts';
import { LEASE_LOST, leftMs } from './lease-facts.ts';
import { Story, type Handed, type RecordStory } from './story.ts';
import type { CheckOptions, ViolationKind } from './verdict.ts';

type History = readonly QueueEvent[];

export interface Mutation {
  readonly what: string;
  /** Found at least; more may follow from it. */
  readonly kind: ViolationKind;
  readonly apply: (history: History, choice: number, options: CheckOptions) => History | null;
}

/** Puts other events in the place of one. */
type Put = (event: QueueEvent, at: number, story: Story) => readonly QueueEvent[];
/** Places of the events that may be changed. */
type Candidates = (story: Story, options: CheckOptions) => readonly (number | null)[];

/** A mutation of one event. */
function change(what: string, kind: ViolationKind, candidates: Candidates, put: Put): Mutation {
  const apply: Mutation['apply'] = (history, choice, options) => {
    const story = new Story(history);
    const fit = candidates(story, options);
    const at = fit[choice % Math.max(1, fit.length)];
    if (typeof at !== 'number') return null;
    return history.flatMap((event, one) => (one === at ? put(event, at, story) : [event]));
  };
  return { what, kind, apply };
}

function recordsOf(story: Story): RecordStory[] {
  return [...story.records.values()];
}

/** Deliveries whose record's attempts before are all known: nothing was cut off by a kill. */
function plainDeliveries(story: Story): Handed[] {
  return recordsOf(story).flatMap(({ deliveries }) =>
    deliveries.filter((_, at) =>
      deliveries
        .slice(0, at)
        .every(({ settlements }) => settlements.every(({ endedAt }) => endedAt !== null)),
    ),
  );
}

function withDelivery(put: (event: Delivered) => Partial<Delivered>) {
  return (event: QueueEvent): QueueEvent[] =>
    event.type === 'delivered' ? [{ ...event, ...put(event) }] : [event];
}

function deliveriesAt(story: Story): number[] {
  return story.handed.map(({ at }) => at);
}

function plainAt(story: Story): number[] {
  return plainDeliveries(story).map(({ at }) => at);
}

/** Answers that accept the first settlement of a last delivery, an acknowledgement. */
function ackAnswers(story: Story): { readonly handed: Handed; readonly at: number }[] {
  return recordsOf(story).flatMap(({ deliveries }) => {
    const handed = deliveries.at(-1);
    const [first] = handed?.settlements ?? [];
    const isAck = first?.invoked.verb === 'ack' && first.outcome === 'ok';
    if (handed === undefined || !isAck || first.endedAt === null) return [];
    return [{ handed, at: first.endedAt }];
  });
}

function comeBack(event: QueueEvent, at: number, story: Story): QueueEvent[] {
  const handed = ackAnswers(story).find((one) => one.at === at)?.handed;
  if (handed === undefined) return [event];
  const { token, attempt } = handed.event;
  const again = { ...token, leaseNumber: token.leaseNumber + 1000 };
  return [event, { ...handed.event, attempt: attempt + 1, token: again, atMs: event.atMs }];
}

/** Refusals of what cannot have been right to accept. */
function lateAnswers(story: Story): (number | null)[] {
  return recordsOf(story).flatMap(({ deliveries }) =>
    deliveries.flatMap(({ settlements, lost }, at) =>
      settlements
        .filter(({ code, invokedAt, invoked }) => {
          const next = deliveries[at + 1]?.at ?? Infinity;
          const isOther = settlements.some(
            (one) =>
              one.outcome === 'ok' &&
              one.invoked.verb !== 'renew' &&
              one.invoked.verb !== invoked.verb &&
              (one.endedAt ?? Infinity) < invokedAt,
          );
          const isLate = isOther || next < invokedAt || (lost?.at ?? Infinity) < invokedAt;
          return code === LEASE_LOST && isLate;
        })
        .map(({ endedAt }) => endedAt),
    ),
  );
}

/** Answers to releases that alone explain why the record came again. */
function explainingReleases(story: Story): (number | null)[] {
  return recordsOf(story).flatMap(({ deliveries }) =>
    deliveries.flatMap(({ event, settlements, lost }, at) => {
      const next = deliveries[at + 1]?.event;
      const [only, ...others] = settlements.filter(({ outcome }) => outcome !== 'failed');
      const isAlone =
        next?.life === event.life && next.expiries === event.expiries && lost === null;
      return isAlone && only?.invoked.verb === 'release' && others.length === 0
        ? [only.endedAt]
        : [];
    }),
  );
}

function answered(event: QueueEvent, outcome: SettleEnded['outcome'], code: string): QueueEvent[] {
  return event.type === 'settle-ended' ? [{ ...event, outcome, code }] : [event];
}

function deathsAt(story: Story): number[] {
  return recordsOf(story).flatMap(({ deaths }) => deaths.map(({ at }) => at));
}

/** Of records that can have ended in no other way: not by a last acknowledgement that was cut off. */
function onlyEndsAt(story: Story): number[] {
  return recordsOf(story).flatMap(({ deliveries, deaths }) => {
    const last = deliveries.at(-1)?.settlements ?? [];
    const mayBeAcked = last.some(
      ({ invoked, outcome }) => invoked.verb === 'ack' && outcome !== 'failed',
    );
    return mayBeAcked ? [] : deaths.map(({ at }) => at);
  });
}

/** Gives a second delivery the token of the first, wherever it stands. */
function reuseToken(history: History, choice: number): History | null {
  const twice = recordsOf(new Story(history)).filter(({ deliveries }) => deliveries.length > 1);
  const [first, second] = twice[choice % Math.max(1, twice.length)]?.deliveries ?? [];
  if (first === undefined || second === undefined) return null;
  const { token } = first.event;
  const old = tokenKey(second.event.token);
  return history.map((event) =>
    'token' in event && tokenKey(event.token) === old ? { ...event, token } : event,
  );
}

export const MUTATIONS: readonly Mutation[] = [
  {
    what: 'a record with all that happened to it is gone',
    kind: 'lost',
    apply(history, choice) {
      const acked = [...new Story(history).sends.values()].filter((send) => send.outcome === 'ok');
      const place = acked[choice % Math.max(1, acked.length)]?.place;
      if (place === undefined || place === null) return null;
      return without(history, placeKey(place));
    },
  },
  change('an unknown record is delivered', 'unexpected', deliveriesAt, (event) =>
    withDelivery(() => ({ id: 'nobody' }))(event),
  ),
  change('a payload is changed', 'changed', deliveriesAt, (event) =>
    withDelivery(({ payload }) => ({ payload: `${payload}!` }))(event),
  ),
  change(
    'a send that was seen is called refused',
    'refused',
    (story) =>
      [...story.sends.values()].flatMap(({ endedAt, place, outcome }) =>
        outcome === 'ok' && place !== null && story.records.has(placeKey(place))
          ? [endedAt ?? 0]
          : [],
      ),
    (event) => (event.type === 'send-ended' ? [{ ...event, outcome: 'failed' }] : [event]),
  ),
  change(
    'an acknowledged record comes back',
    'resurrected',
    (story) => ackAnswers(story).map(({ at }) => at),
    comeBack,
  ),
  change('an attempt is counted twice', 'counters', plainAt, (event) =>
    withDelivery(({ attempt }) => ({ attempt: attempt + 1 }))(event),
  ),
  change('an attempt is not counted', 'counters', plainAt, (event) =>
    withDelivery(({ attempt }) => ({ attempt: attempt - 1 }))(event),
  ),
  change('a failure is counted that never was', 'counters', plainAt, (event) =>
    withDelivery(({ failures }) => ({ failures: failures + 1 }))(event),
  ),
  change('an expiry is counted that never was', 'counters', plainAt, (event) =>
    withDelivery(({ expiries }) => ({ expiries: expiries + 1 }))(event),
  ),
  change('a crash is counted that never was', 'counters', plainAt, (event) =>
    withDelivery(({ crashes }) => ({ crashes: crashes + 1 }))(event),
  ),
  change('a late settlement is accepted', 'stale-accepted', lateAnswers, (event) =>
    answered(event, 'ok', ''),
  ),
  change(
    'a release that explains a delivery is refused',
    'duplicated',
    explainingReleases,
    (event) => answered(event, 'failed', 'ERR_OTHER'),
  ),
  change(
    'an acknowledgement is refused in time',
    'live-refused',
    (story, options) =>
      ackAnswers(story)
        .filter(({ handed }) => {
          const endedMs = handed.settlements[0]?.endedMs ?? Infinity;
          return leftMs(story, handed, endedMs, options) > 0;
        })
        .map(({ at }) => at),
    (event) => answered(event, 'failed', LEASE_LOST),
  ),
  change('a dead letter has a second copy', 'dead-twice', deathsAt, (event) =>
    event.type === 'dead' ? [event, { ...event, copy: { partition: 9, offset: 9 } }] : [event],
  ),
  change('a dead letter is not there', 'lost', onlyEndsAt, () => []),
  change(
    'a dead letter has another reason',
    'dead-without-cause',
    (story, { expiriesMax }) =>
      recordsOf(story)
        .filter(({ deliveries }) => (deliveries.at(-1)?.event.expiries ?? 0) + 1 < expiriesMax)
        .flatMap(({ deaths }) => deaths.map(({ at }) => at)),
    (event) => (event.type === 'dead' ? [{ ...event, reason: 'lease-expired' }] : [event]),
  ),
  change(
    'a delay is longer than the time that the record took to come back',
    'early',
    (story) =>
      recordsOf(story).flatMap(({ deliveries }) =>
        deliveries
          .slice(0, -1)
          .flatMap(({ settlements }) => settlements)
          .filter(({ invoked, outcome }) => invoked.verb === 'release' && outcome === 'ok')
          .map(({ invokedAt }) => invokedAt),
      ),
    (event) => (event.type === 'settle-invoked' ? [{ ...event, delayMs: 1e9 }] : [event]),
  ),
  { what: 'a token is that of the delivery before', kind: 'token-reused', apply: reuseToken },
  change(
    'nobody drained the queue',
    'vacuous',
    (story) => [story.drainedAt],
    () => [],
  ),
];

function without(history: History, place: string): History {
  const calls = new Set(
    history.flatMap((event) =>
      event.type === 'settle-invoked' && placeKey(event.token) === place
        ? [`${event.life} ${event.call}`]
        : [],
    ),
  );
  return history.filter((event) => {
    if (event.type === 'settle-ended') return !calls.has(`${event.life} ${event.call}`);
    if (event.type === 'dead') return placeKey(event.origin) !== place;
    return !('token' in event) || placeKey(event.token) !== place;
  });
}
