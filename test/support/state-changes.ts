/** Every small change that can be made to a state, whatever it consists of: one at a time. */
import { AssertionError, present } from '../../src/core/assert.ts';
import { COMPRESSION_NAMES } from '../../src/format/compression.ts';
import { COMPACTIONS } from '../../src/log/compaction-options.ts';
import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import { DEATH_REASONS } from '../../src/queue/share-entries.ts';
import { SharePartition, type DeadRecord } from '../../src/queue/share-partition.ts';
import { RETENTIONS } from '../../src/queue/share-settings.ts';
import { EXCHANGE_TYPES } from '../../src/routing/binding.ts';
import { TARGET_KINDS } from '../../src/routing/exchange-entries.ts';
import { HEADER_MATCHES } from '../../src/routing/header-conditions.ts';
import { DEDUP_BY, DEDUP_SCOPES } from '../../src/topic/dedup-options.ts';
import { UNFINISHED_POLICIES } from '../../src/topic/unfinished-options.ts';
import { GROUP_KINDS, PASS_OUTCOMES, PASS_REASONS } from '../../src/topic/unfinished-passed.ts';
import { between, changesOfSlots, changesOfUnread } from './share-changes.ts';

export interface StateChange {
  /** `topic.options.flushMs`, `group.positions{0}`: where it is made. */
  readonly path: string;
  /** What `look` returns while the change is in force; it is taken back then. */
  readonly during: <R>(look: () => R) => R;
}

/** A field of a fixed set of names refuses others. */
const KNOWN_NAMES: readonly string[] = [
  ...DURABILITY_LEVELS,
  ...COMPRESSION_NAMES,
  ...DEATH_REASONS,
  ...RETENTIONS,
  ...EXCHANGE_TYPES,
  ...HEADER_MATCHES,
  ...TARGET_KINDS,
  ...DEDUP_BY,
  ...DEDUP_SCOPES,
  ...COMPACTIONS,
  ...UNFINISHED_POLICIES,
  ...GROUP_KINDS,
  ...PASS_REASONS,
  ...PASS_OUTCOMES,
];

/** Fields of a partition of a share group that are plain values. */
const IN_ITSELF: ReadonlySet<string> = new Set<keyof SharePartition>([
  'logId',
  'troubles',
  'tally',
  'purged',
]);

/** A place in a state that holds a value. */
interface Slot {
  readonly path: string;
  readonly value: unknown;
  readonly set: (value: unknown) => void;
}

/** Each scalar changed, each entry of a list or a map removed, doubled, and given another key. */
export function* changesOf(value: unknown, path: string): Generator<StateChange, void, void> {
  if (typeof value !== 'object' || value === null) return;
  if (value instanceof Map) yield* changesOfMap(value, path);
  if (Array.isArray(value)) yield* changesOfList(value, path);
  if (value instanceof SharePartition) {
    yield* changesOfSlots(value, path);
    yield* changesOfDead(value, path);
    yield* changesOfUnread(value, path);
  }
  for (const slot of slotsOf(value, path)) {
    if (isScalar(slot.value)) yield changeOf(slot);
    else yield* changesOf(slot.value, slot.path);
  }
}

/** As of a map of them. */
function* changesOfDead(
  { dead }: SharePartition,
  path: string,
): Generator<StateChange, void, void> {
  const records = new Map<number, DeadRecord>();
  for (const offset of dead.offsets()) {
    records.set(offset, present(dead.get(offset), 'it has the offset'));
  }
  const fill = (): void => {
    dead.deleteBelow(Number.POSITIVE_INFINITY);
    for (const [offset, record] of records) dead.set(offset, record);
  };
  for (const change of changesOf(records, `${path}.dead`)) {
    const during: StateChange['during'] = (look) => {
      try {
        return change.during(() => {
          fill();
          return look();
        });
      } finally {
        fill();
      }
    };
    yield { path: change.path, during };
  }
}

function* slotsOf(value: object, path: string): Generator<Slot, void, void> {
  if (value instanceof Map) {
    const pairs: Map<unknown, unknown> = value;
    for (const [key, held] of pairs) {
      const at = `${path}{${String(key)}}`;
      yield { path: at, value: held, set: (next) => void pairs.set(key, next) };
    }
    return;
  }
  for (const key of Object.keys(value)) {
    // Its arrays are walked slot by slot, and who watches it is no part of the state.
    if (value instanceof SharePartition && !IN_ITSELF.has(key)) continue;
    const held: unknown = Reflect.get(value, key);
    const at = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`;
    yield { path: at, value: held, set: (next) => void Reflect.set(value, key, next) };
  }
}

function* changesOfMap(
  pairs: Map<unknown, unknown>,
  path: string,
): Generator<StateChange, void, void> {
  const before = [...pairs];
  const restore = (): void => {
    pairs.clear();
    for (const [key, held] of before) pairs.set(key, held);
  };
  for (const [key, held] of before) {
    const other = typeof key === 'number' ? key + 1000 : `${String(key)}x`;
    const at = `${path}{${String(key)}}`;
    yield { path: at, during: between(() => pairs.delete(key), restore) };
    yield { path: `${at} twice`, during: between(() => pairs.set(other, held), restore) };
    const move = () => pairs.delete(key) && pairs.set(other, held);
    yield { path: `${at} moved`, during: between(move, restore) };
  }
}

function* changesOfList(list: unknown[], path: string): Generator<StateChange, void, void> {
  const before = [...list];
  const restore = () => list.splice(0, list.length, ...before);
  for (const at of before.keys()) {
    yield { path: `${path}[${at}] removed`, during: between(() => list.splice(at, 1), restore) };
    const double = () => list.splice(at, 0, before[at]);
    yield { path: `${path}[${at}] twice`, during: between(double, restore) };
  }
  const [first, second] = before;
  if (JSON.stringify(first) === JSON.stringify(second) || before.length < 2) return;
  const swap = () => list.splice(0, 2, second, first);
  yield { path: `${path} in another order`, during: between(swap, restore) };
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null || value instanceof Uint8Array;
}

function changeOf({ path, value, set }: Slot): StateChange {
  return {
    path,
    during(look) {
      for (const other of othersThan(value)) {
        try {
          set(other);
          return look();
        } catch (error) {
          // Else it is no value for this field.
          if (!(error instanceof AssertionError || error instanceof TypeError)) throw error;
        } finally {
          set(value);
        }
      }
      throw new Error(`no other value is known for ${path}`);
    },
  };
}

function othersThan(value: unknown): readonly unknown[] {
  if (typeof value === 'number') return [value + 1];
  if (typeof value === 'boolean') return [!value];
  if (typeof value === 'string') {
    // The number is for a field that has a name in the place of one.
    return [`${value}x`, ...KNOWN_NAMES.filter((name) => name !== value), 1];
  }
  if (value instanceof Uint8Array) return [Uint8Array.of(...value, 1)];
  return ['x', 1, true, { match: 'all', conditions: [] }, new Map(), ...KNOWN_NAMES];
}
