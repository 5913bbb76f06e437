/** The slow twin of `HeadersRouter`: conditions as they were given, and the headers of a record. */

export type Conditions = Readonly<Record<string, string | Uint8Array | null>>;

export function headersMatch(
  given: Conditions | null,
  headers: ReadonlyMap<string, Uint8Array> | null,
): boolean {
  const match = given?.['x-match'] ?? 'all';
  const withX = match === 'all-with-x' || match === 'any-with-x';
  const counted = Object.entries(given ?? {}).filter(
    ([name]) => name !== 'x-match' && (withX || !name.startsWith('x-')),
  );
  const met = counted.filter(([name, value]) => {
    const found = headers?.get(name);
    return found !== undefined && (value === null || hexOf(value) === hexOf(found));
  });
  const wantsAny = match === 'any' || match === 'any-with-x';
  return wantsAny ? met.length > 0 : met.length === counted.length;
}

function hexOf(value: string | Uint8Array): string {
  return Buffer.from(value).toString('hex');
}
