/** Dead letters: exactly once, never beside an acknowledgement, never for another reason. */
import { placeKey } from './history.ts';
import type { RecordStory, Story } from './story.ts';
import { settledBy } from './lease-facts.ts';
import type { CheckOptions, Violation } from './verdict.ts';

export function deadViolations(story: Story, options: CheckOptions): Violation[] {
  return [...story.records.values()].flatMap((record) => {
    const [first] = record.deaths;
    if (first === undefined) return unburied(story, record, options);
    const violations: Violation[] = [];
    const name = `${first.event.id} at ${placeKey(record.place)}`;
    const copies = new Set(record.deaths.map(({ event }) => placeKey(event.copy)));
    if (copies.size > 1) {
      violations.push({ kind: 'dead-twice', text: `${name} has copies at ${[...copies].join()}` });
    }
    if (record.deliveries.some((handed) => settledBy(handed)?.invoked.verb === 'ack')) {
      violations.push({ kind: 'dead-and-acked', text: `${name} is dead and acknowledged` });
    }
    const { reason } = first.event;
    if (!hasCause(story, record, reason, options)) {
      violations.push({ kind: 'dead-without-cause', text: `${name} is dead by ${reason}` });
    }
    return violations;
  });
}

function hasCause(
  story: Story,
  { deliveries }: RecordStory,
  reason: string,
  { failuresMax, expiriesMax }: CheckOptions,
): boolean {
  const last = deliveries.at(-1);
  if (reason === 'rejected') return asked(deliveries, (verb) => verb === 'reject');
  const { failures = 0, expiries = 0, life = 1 } = last?.event ?? {};
  if (reason === 'failures') {
    const isFailed = asked(deliveries.slice(-1), (verb, fails) => verb === 'release' && fails);
    return isFailed && failures + 1 >= failuresMax;
  }
  if (reason === 'lease-expired') return last !== undefined && expiries + 1 >= expiriesMax;
  const kills = story.killsBetween(life, Infinity);
  return kills > 0 && failures + kills >= failuresMax;
}

/** Whether a consumer asked for it and was not refused. */
function asked(
  deliveries: RecordStory['deliveries'],
  isWanted: (verb: string, isFailed: boolean) => boolean,
): boolean {
  return deliveries.some(({ settlements }) =>
    settlements.some(
      ({ invoked, outcome }) =>
        outcome !== 'failed' && isWanted(invoked.verb, invoked.isFailed ?? false),
    ),
  );
}

/** Rejected or failed for the last time, and at the end not in the dead-letter queue. */
function unburied(
  story: Story,
  { place, deliveries }: RecordStory,
  options: CheckOptions,
): Violation[] {
  if (story.drainedAt === null) return [];
  const isOver = deliveries.some((handed) => {
    const { verb, isFailed = false } = settledBy(handed)?.invoked ?? {};
    const isLastFailure = handed.event.failures + 1 >= options.failuresMax;
    return verb === 'reject' || (verb === 'release' && isFailed && isLastFailure);
  });
  if (!isOver) return [];
  const id = deliveries[0]?.event.id ?? '';
  return [{ kind: 'lost', text: `${id} at ${placeKey(place)} should be dead, and is not` }];
}
