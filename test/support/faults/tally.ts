/** Counts what an enumeration did and collects what it found wrong. */

/** Failures that differ only in numbers are one: the first place and their count tell enough. */
interface Failure {
  readonly first: string;
  count: number;
}

export class Tally {
  readonly #counts = new Map<string, number>();
  readonly #failures = new Map<string, Failure>();

  /** One line for each kind of failure, with the first place where it showed. */
  get failures(): string[] {
    return [...this.#failures.values()].map(
      ({ first, count }) => `${count} times, first: ${first}`,
    );
  }

  count(what: string, by = 1): void {
    this.#counts.set(what, this.of(what) + by);
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  fail(place: string, error: unknown): void {
    this.count('failures');
    const description = describe(error);
    const kind = description.replaceAll(/\d+/g, '#');
    const known = this.#failures.get(kind);
    if (known === undefined)
      this.#failures.set(kind, { first: `${place}: ${description}`, count: 1 });
    else known.count += 1;
  }

  /** `name: 12 crash points, 340 states`. */
  summary(name: string): string {
    const counts = [...this.#counts].map(([what, count]) => `${count} ${what}`);
    return `${name}: ${counts.join(', ')}`;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  const at = 'code' in error ? '' : (error.stack?.split('\n')[1]?.trim() ?? '');
  return `${error.name}: ${error.message}${cause} ${at}`.trim();
}
