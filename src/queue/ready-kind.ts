/** What is ready, told apart by how often a crash of the process ended an attempt. */
/** Each has a heap of its own in a lease table. */
export const ReadyKind = {
  /** 0 or 1 crashes. */
  normal: 0,
  /** 2 crashes: few at a time. */
  doubtful: 1,
  /** 3 crashes or more: one at a time. */
  suspect: 2,
} as const;

export type ReadyKind = (typeof ReadyKind)[keyof typeof ReadyKind];

/** From how many crashes on a record is suspected to have caused them. */
export const SUSPECT_CRASHES = 3;

/** By the crashes of a record. */
export function readyKindOf(crashes: number): ReadyKind {
  if (crashes >= SUSPECT_CRASHES) return ReadyKind.suspect;
  return crashes === SUSPECT_CRASHES - 1 ? ReadyKind.doubtful : ReadyKind.normal;
}
