/** What readers could see in one life of a store, from moment to moment. */
import { isBehind, type Deed } from './deeds.ts';

export interface Frame {
  /** By log; one that is missing, or whose writer failed, shows nothing more. */
  readonly visible: ReadonlyMap<string, number>;
  /** By partition: the number of the deed that committed the position; 0 = there is none. */
  readonly positions: readonly number[];
}

export class Film {
  readonly #frames: Frame[] = [];
  #last = '';

  get length(): number {
    return this.#frames.length;
  }

  add(frame: Frame): void {
    const text = `${[...frame.visible].join(' ')} ${frame.positions.join()}`;
    if (text === this.#last) return;
    this.#last = text;
    this.#frames.push(frame);
  }

  /** @param deeds  that are there, with the places of their records @returns what nobody may see */
  problems(deeds: readonly Deed[]): string[] {
    const byNumber = new Map(deeds.map((deed) => [deed.number, deed]));
    const problems: string[] = [];
    for (const deed of deeds) {
      const problem = this.#frames.map((frame) => problemIn(frame, deed, byNumber)).find(Boolean);
      if (problem != null) problems.push(problem);
    }
    return problems;
  }
}

function problemIn(
  { visible, positions }: Frame,
  deed: Deed,
  byNumber: ReadonlyMap<number, Deed>,
): string | null {
  const { records, ranges, name } = deed;
  let [shown, hidden] = [0, 0];
  for (const { place, offset } of records) {
    const end = visible.get(place);
    if (end === undefined || offset === null) continue;
    if (offset < end) shown++;
    else hidden++;
  }
  if (shown > 0 && hidden > 0)
    return `readers see ${shown} of ${shown + hidden} records of ${name}`;
  // Without a member there is nobody who could ask.
  if (shown === 0 || positions.length === 0) return null;
  // Who sees a record finds the positions moved.
  for (const { partition } of ranges) {
    const number = positions[partition] ?? 0;
    const other = byNumber.get(number);
    if (number === 0) return `readers see ${name}, and no position`;
    if (other !== undefined && isBehind(deed, other))
      return `readers see ${name}, not its position`;
  }
  return null;
}
