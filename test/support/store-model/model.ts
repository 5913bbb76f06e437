/** A store as plain objects: what must be found in the real one after every command. */
export interface ModelRecord {
  readonly key: string | null;
  readonly value: string;
}

/** A member of a group that reads: by partition, where it goes on. */
export interface ModelMember {
  readonly positions: Map<number, number>;
  /** Partitions of which it was given something since it joined or was sent elsewhere. */
  readonly given: Set<number>;
}

export interface ModelGroup {
  /** By partition, the next offset to read; none = the group is not known to the store. */
  readonly committed: Map<number, number>;
  member: ModelMember | null;
}

export interface ModelTopic {
  /** By partition, by offset. */
  readonly partitions: ModelRecord[][];
  readonly options: Record<string, unknown>;
  readonly groups: Map<string, ModelGroup>;
}

/** A record that a commit brought, and where. */
export interface CommittedRecord {
  readonly name: string;
  readonly topic: ModelTopic;
  readonly partition: number;
  readonly offset: number;
  readonly record: ModelRecord;
}

export interface StoreModel {
  readonly topics: Map<string, ModelTopic>;
  /** The newest commit that happened. */
  lastCommit: readonly CommittedRecord[];
  /** Different each time. */
  readonly nextTag: () => string;
}

export function emptyModel(): StoreModel {
  let tags = 0;
  return { topics: new Map(), lastCommit: [], nextTag: () => `#${tags++} ` };
}

export function groupOf(topic: ModelTopic, name: string): ModelGroup {
  const known = topic.groups.get(name);
  if (known !== undefined) return known;
  const group: ModelGroup = { committed: new Map(), member: null };
  topic.groups.set(name, group);
  return group;
}

/** Where the group begins in a partition. */
export function startOf({ committed }: ModelGroup, partition: number): number {
  return committed.get(partition) ?? 0;
}

/** Groups that the store knows of a topic, by name. */
export function knownGroups({ groups }: ModelTopic): string[] {
  const known = [...groups].filter(
    ([, { committed, member }]) => committed.size > 0 || member !== null,
  );
  return known.map(([name]) => name).toSorted();
}

/** Members are gone with the process. */
export function forgetMembers({ topics }: StoreModel): void {
  for (const { groups } of topics.values()) {
    for (const group of groups.values()) group.member = null;
  }
}

/** Where a member goes on; partitions come to it by themselves. */
export function positionOf(group: ModelGroup, partition: number): number {
  return group.member?.positions.get(partition) ?? startOf(group, partition);
}

/** How many records the member of a group has yet to read. */
export function unreadBy(topic: ModelTopic, group: ModelGroup): number {
  return topic.partitions.reduce(
    (sum, records, at) => sum + records.length - positionOf(group, at),
    0,
  );
}
