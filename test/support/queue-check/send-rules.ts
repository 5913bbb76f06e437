/** What was sent against what was there: nothing lost, nothing invented, changed, copied or moved. */
import { placeKey, type Dead, type Delivered, type Place } from './history.ts';
import type { RecordStory, Story } from './story.ts';
import type { Violation } from './verdict.ts';

/** A record as it was seen once, delivered or dead. */
interface Sighting {
  readonly event: Delivered | Dead;
  readonly place: Place;
}

interface PlacedSend {
  readonly id: string;
  readonly invokedAt: number;
  readonly endedAt: number;
  readonly place: Place;
}

function sightingsOf({ place, deliveries, deaths }: RecordStory): Sighting[] {
  return [...deliveries, ...deaths].map(({ event }) => ({ event, place }));
}

/** Ids that were seen and never sent. */
export function unexpectedIds(story: Story): Set<string> {
  const ids = [...story.records.values()].flatMap(sightingsOf).map(({ event }) => event.id);
  return new Set(ids.filter((id) => !story.sends.has(id)));
}

/** Indeterminate sends that were seen: allowed. */
export function recoveredIds(story: Story): Set<string> {
  const seen = [...story.records.values()].flatMap(sightingsOf).map(({ event }) => event.id);
  return new Set(seen.filter((id) => story.sends.get(id)?.outcome === 'indeterminate'));
}

export function contentViolations(story: Story): Violation[] {
  const violations: Violation[] = [];
  for (const id of unexpectedIds(story)) {
    violations.push({ kind: 'unexpected', text: `${id} was never sent` });
  }
  const placeOf = new Map<string, string>();
  for (const record of story.records.values()) {
    for (const sighting of sightingsOf(record)) {
      violations.push(...sightingViolations(story, sighting, placeOf));
    }
  }
  return [...violations, ...sharedPlaces(story)];
}

function sightingViolations(
  story: Story,
  { event, place }: Sighting,
  placeOf: Map<string, string>,
): Violation[] {
  const { id, key, payload, type } = event;
  const send = story.sends.get(id);
  if (send === undefined) return [];
  const violations: Violation[] = [];
  const here = placeKey(place);
  if (send.outcome === 'failed') {
    violations.push({ kind: 'refused', text: `${id} was refused and is ${type} at ${here}` });
  }
  if (key !== send.invoked.key || payload !== send.invoked.payload) {
    violations.push({ kind: 'changed', text: `${id} at ${here} is ${type} as ${key}, ${payload}` });
  }
  if (send.place !== null && placeKey(send.place) !== here) {
    const told = placeKey(send.place);
    violations.push({ kind: 'changed', text: `${id} was told ${told} and is ${type} at ${here}` });
  }
  const first = placeOf.get(id) ?? here;
  if (first !== here) violations.push({ kind: 'copied', text: `${id} is at ${first} and ${here}` });
  placeOf.set(id, first);
  return violations;
}

/** Two sends that were told the same place, or a place that holds what was not sent there. */
function sharedPlaces(story: Story): Violation[] {
  const violations: Violation[] = [];
  const owners = new Map<string, string>();
  for (const [id, { place }] of story.sends) {
    if (place === null) continue;
    const key = placeKey(place);
    const owner = owners.get(key);
    if (owner !== undefined) {
      violations.push({ kind: 'changed', text: `${owner} and ${id} were both told ${key}` });
    }
    owners.set(key, id);
    const found = story.records.get(key)?.deliveries.find(({ event }) => event.id !== id);
    if (found !== undefined) {
      const text = `${key} was told to ${id} and holds ${found.event.id}`;
      violations.push({ kind: 'changed', text });
    }
  }
  return violations;
}

/** A send that began when another one of its key had ended lies behind it, in one partition. */
export function orderViolations(story: Story): Violation[] {
  const byKey = new Map<string, PlacedSend[]>();
  for (const { invoked, invokedAt, endedAt, place } of story.sends.values()) {
    if (place === null || endedAt === null) continue;
    const sends = byKey.get(invoked.key) ?? [];
    byKey.set(invoked.key, sends);
    sends.push({ id: invoked.id, invokedAt, endedAt, place });
  }
  return [...byKey.values()].flatMap(keyOrderViolations);
}

function keyOrderViolations(sends: readonly PlacedSend[]): Violation[] {
  const violations: Violation[] = [];
  const ended = sends.toSorted((one, other) => one.endedAt - other.endedAt);
  let behind: PlacedSend | null = null;
  let next = 0;
  for (const send of sends.toSorted((one, other) => one.invokedAt - other.invokedAt)) {
    for (
      let one = ended[next];
      one !== undefined && one.endedAt < send.invokedAt;
      one = ended[++next]
    ) {
      if (behind === null || one.place.offset > behind.place.offset) behind = one;
    }
    if (behind === null) continue;
    const isBehind =
      send.place.partition === behind.place.partition && send.place.offset > behind.place.offset;
    if (isBehind) continue;
    const text = `${send.id} at ${placeKey(send.place)} was sent after ${behind.id} at ${placeKey(behind.place)}`;
    violations.push({ kind: 'disordered', text });
  }
  return violations;
}

/** Everything acknowledged or delivered has an end when the queue is drained. */
export function lostRecords(story: Story): Violation[] {
  if (story.drainedAt === null) return [];
  const violations: Violation[] = [];
  for (const [id, { outcome, place }] of story.sends) {
    if (outcome !== 'ok' || place === null) continue;
    const record = story.records.get(placeKey(place));
    if (record !== undefined) continue;
    violations.push({ kind: 'lost', text: `${id} at ${placeKey(place)} was never seen` });
  }
  for (const record of story.records.values()) {
    if (hasEnd(record)) continue;
    const id = record.deliveries[0]?.event.id ?? '';
    const text = `${id} at ${placeKey(record.place)} was delivered, not settled, and is gone`;
    violations.push({ kind: 'lost', text });
  }
  return violations;
}

/** Acknowledged, dead, or last seen when an acknowledgement of it was cut off. */
function hasEnd({ deliveries, deaths }: RecordStory): boolean {
  if (deaths.length > 0) return true;
  return deliveries.some(({ settlements }, at) => {
    const acks = settlements.filter(({ invoked }) => invoked.verb === 'ack');
    const isLast = at === deliveries.length - 1;
    return acks.some(({ outcome }) => outcome === 'ok' || (isLast && outcome !== 'failed'));
  });
}
