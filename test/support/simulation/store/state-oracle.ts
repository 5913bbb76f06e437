/**
 * What a journaled state may be, from what was answered alone: every change that was answered is in
 * it, none that was refused, and of the others any, or, where changes are journaled in the order of
 * their calls, the first so many.
 */

/** A state as text, so that it can be compared and shown. */
type Shown = string;

export interface StateOracleOptions<S> {
  readonly first: S;
  readonly show: (state: S) => Shown;
  /** Changes are journaled in the order of their calls. */
  readonly isOrdered: boolean;
  readonly fault: (promise: string, what: string) => void;
}

interface Change<S> {
  readonly apply: (state: S) => S;
  status: 'open' | 'answered' | 'refused';
}

export interface StateChange {
  answered(): void;
  /** It must never be seen. */
  refused(): void;
}

export class StateOracle<S> {
  readonly #options: StateOracleOptions<S>;
  #base: S;
  #changes: Change<S>[] = [];

  constructor(options: StateOracleOptions<S>) {
    this.#options = options;
    this.#base = options.first;
  }

  /** @param apply  makes a new state, and leaves the old one as it is */
  sent(apply: (state: S) => S): StateChange {
    const change: Change<S> = { apply, status: 'open' };
    this.#changes.push(change);
    return {
      answered: () => void (change.status = 'answered'),
      refused: () => void (change.status = 'refused'),
    };
  }

  /** Complains unless `found` is possible; `when` says how it came to be looked at. */
  check(found: S, when: string): void {
    const { show, fault } = this.#options;
    const possible = this.#possible().map(show);
    if (possible.includes(show(found))) return;
    fault('A4', `${when} it is ${show(found)}, not one of ${possible.join(' or ')}`);
  }

  /** As `check`; and now it is what was found, for good. */
  adopt(found: S, when: string): void {
    this.check(found, when);
    this.#base = found;
    this.#changes = [];
  }

  #possible(): readonly S[] {
    const { show, isOrdered } = this.#options;
    let states = [this.#base];
    let all = this.#base;
    for (const { apply, status } of this.#changes) {
      if (status === 'refused') continue;
      all = apply(all);
      const applied = isOrdered ? [all] : states.map(apply);
      const kept = status === 'answered' ? applied : [...states, ...applied];
      states = [...new Map(kept.map((state) => [show(state), state])).values()];
    }
    return states;
  }
}
