/** Counts what an enumeration did and collects what it found wrong. */

/** Further failures are counted, not kept: the first ones tell. */
const FAILURES_KEPT = 20;

export class Tally {
  readonly #counts = new Map<string, number>();
  readonly failures: string[] = [];

  count(what: string, by = 1): void {
    this.#counts.set(what, this.of(what) + by);
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  fail(place: string, error: unknown): void {
    this.count('failures');
    if (this.failures.length < FAILURES_KEPT) this.failures.push(`${place}: ${describe(error)}`);
  }

  /** `name: 12 crash points, 340 states`. */
  summary(name: string): string {
    const counts = [...this.#counts].map(([what, count]) => `${count} ${what}`);
    return `${name}: ${counts.join(', ')}`;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOurs = 'code' in error;
  const stack = isOurs || error.stack === undefined ? '' : `\n${error.stack}`;
  return `${error.name}: ${error.message}${stack.split('\n').slice(0, 3).join('\n')}`;
}
