/** What became of a promise so far, for those who must not wait for it. */
export interface Outcome<T> {
  value: T | null;
  error: unknown;
}

export function watched<T>(work: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = { value: null, error: null };
  work.then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.error = error),
  );
  return outcome;
}
