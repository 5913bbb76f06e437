/** Which member of a consumer group shall read which partition. A pure function. */

export interface AssignmentInput {
  readonly partitionCount: number;
  /** By partition: the member that reads it now; null = nobody. */
  readonly owners: readonly (string | null)[];
  /** In the order in which they joined. */
  readonly members: readonly string[];
  /** One member reads all of them, the others wait for their turn. */
  readonly isSingle: boolean;
}

/**
 * Balanced and sticky: no two members differ by more than one partition, and no more partitions
 * change hands than that takes (KIP-54, KIP-429).
 *
 * @returns by partition, the member that shall read it; null when there are no members
 */
export function assign(input: AssignmentInput): (string | null)[] {
  const { partitionCount, members, isSingle } = input;
  const owners = Array.from({ length: partitionCount }, (_, at) => input.owners[at] ?? null);
  if (members.length === 0) return owners.map(() => null);
  if (isSingle) {
    const active = members.find((member) => owners.includes(member)) ?? members[0] ?? null;
    return owners.map(() => active);
  }
  const room = quotas(owners, members);
  const target = owners.map((owner) => {
    const left = owner === null ? 0 : (room.get(owner) ?? 0);
    if (owner === null || left === 0) return null;
    room.set(owner, left - 1);
    return owner;
  });
  const takers = members.flatMap((member) => Array<string>(room.get(member) ?? 0).fill(member));
  return target.map((owner) => owner ?? takers.shift() ?? null);
}

/** Partitions per member: the ones above the average go to those who have most already. */
function quotas(owners: readonly (string | null)[], members: readonly string[]) {
  const held = (member: string) => owners.filter((owner) => owner === member).length;
  const least = Math.floor(owners.length / members.length);
  const extra = owners.length % members.length;
  const byHeld = members
    .map((member, joined) => ({ member, joined, held: held(member) }))
    .toSorted((one, two) => two.held - one.held || one.joined - two.joined);
  return new Map(byHeld.map(({ member }, rank) => [member, least + (rank < extra ? 1 : 0)]));
}
