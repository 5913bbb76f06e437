/** Names the crash states of one moment that an exhaustive test goes through. */
import type { CrashChoice } from './crash-choice.ts';
import type { FaultyFileSystem } from './faulty-file-system.ts';
import type { UnsyncedChange } from './file-image.ts';

export interface CrashState {
  /** For the message of a failing case: `torn write 7 of /a, first 2 of 5 sectors`. */
  readonly name: string;
  readonly choice: CrashChoice;
}

/** Of a long write: torn after its first sector, in the middle, before its last. */
const TEARS_MAX = 8;

/**
 * The crash states of now: nothing, everything, each single change alone, each single change
 * missing, each write torn at each sector (long ones at 3), each prefix of the names.
 *
 * States may be equal to each other: a test that opens them may skip equal ones by their content.
 */
export function crashStates(fileSystem: FaultyFileSystem): readonly CrashState[] {
  const states: CrashState[] = [
    { name: 'nothing unsynced', choice: { data: 'none', names: 'none' } },
    { name: 'everything', choice: { data: 'all', names: 'all' } },
    { name: 'names without data', choice: { data: 'none', names: 'all' } },
    { name: 'names and sizes without data', choice: { data: 'none', names: 'all', sizes: 'all' } },
    { name: 'data without names', choice: { data: 'all', names: 'none' } },
  ];
  for (const change of fileSystem.unsynced()) {
    const what = `${change.kind} ${change.id} of ${change.path}`;
    if (!isDataChange(change)) {
      const id = change.id;
      states.push(
        { name: `only ${what}`, choice: { data: 'all', names: { only: id } } },
        { name: `without ${what}`, choice: { data: 'all', names: { without: id } } },
        { name: `names up to ${what}`, choice: { data: 'all', names: { upTo: id } } },
        { name: `only ${what}, no data`, choice: { data: 'none', names: { only: id } } },
      );
      continue;
    }
    const { id } = change;
    states.push(
      { name: `only ${what}`, choice: { data: { only: id }, names: 'all' } },
      { name: `without ${what}`, choice: { data: { without: id }, names: 'all' } },
      {
        name: `without ${what}, sizes grown`,
        choice: { data: { without: id }, names: 'all', sizes: 'all' },
      },
      ...tornStates(change, what),
    );
  }
  return states;
}

function tornStates(change: UnsyncedChange, what: string): CrashState[] {
  if (change.kind === 'truncate') return [];
  const count = change.sectorCount;
  const states: CrashState[] = [];
  for (const sectors of tearsOf(count)) {
    for (const end of ['head', 'tail'] as const) {
      const side = end === 'head' ? 'first' : 'last';
      const name = `torn ${what}, ${side} ${sectors} of ${count} sectors`;
      for (const rest of ['before', 'none'] as const) {
        states.push({
          name: rest === 'before' ? name : `${name}, nothing before`,
          choice: { data: { torn: change.id, sectors, end, rest }, names: 'all' },
        });
      }
      states.push({
        name: `${name}, size grown`,
        choice: {
          data: { torn: change.id, sectors, end, rest: 'before' },
          names: 'all',
          sizes: 'all',
        },
      });
    }
  }
  return states;
}

function tearsOf(sectorCount: number): number[] {
  if (sectorCount <= 1) return [];
  if (sectorCount > TEARS_MAX) return [1, Math.floor(sectorCount / 2), sectorCount - 1];
  return Array.from({ length: sectorCount - 1 }, (_, index) => index + 1);
}

function isDataChange(change: { readonly kind: string }): change is UnsyncedChange {
  return change.kind === 'write' || change.kind === 'truncate';
}
