/** Reads `docs/features.md` and complains about rows that claim what nothing proves. Pure. */

/** How many features each part of the table has: none may get lost. */
const PARTS: readonly (readonly [part: string, count: number])[] = [
  ['LC', 20],
  ['PK', 9],
  ['CG', 16],
  ['RC', 13],
  ['IP', 6],
  ['TX', 9],
  ['SG', 24],
  ['SQ', 32],
  ['RX', 17],
  ['RQ', 26],
  ['RS', 9],
  ['PL', 10],
];
const STATUSES = ['built', 'different', 'not built'];
const ROW =
  /^\| (?<id>[A-Z]{2}\d+[a-z]?)\s*\|(?<feature>[^|]*)\|(?<status>[^|]*)\|(?<how>[^|]*)\|$/;
const TEST = /`(?<file>test\/[^`]+\.test\.ts)`: “(?<title>[^”]+)”/g;

/** @param sourceOf  text of a file of the repository; null = there is none */
export function featureComplaints(
  table: string,
  sourceOf: (file: string) => string | null,
): readonly string[] {
  const lines = table.split('\n').filter((line) => /^\| [A-Z]{2}\d/.test(line));
  const ids = lines.map((line) => ROW.exec(line)?.groups?.['id'] ?? '');
  return [
    ...lines.flatMap(rowComplaints),
    ...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `${id} stands there twice`),
    ...missingIds(ids).map((id) => `${id} is missing`),
    ...[...table.matchAll(TEST)].flatMap(({ groups }) =>
      testComplaints(groups?.['file'] ?? '', groups?.['title'] ?? '', sourceOf),
    ),
  ];
}

function rowComplaints(line: string): string[] {
  const { id, status = '', how = '' } = ROW.exec(line)?.groups ?? {};
  if (id === undefined) return [`no row as the others: ${line.slice(0, 60)}`];
  const kind = status.trim();
  if (!STATUSES.includes(kind)) return [`${id}: "${kind}" is none of ${STATUSES.join(', ')}`];
  const testCount = [...how.matchAll(TEST)].length;
  if (kind === 'built' && testCount === 0) return [`${id} is built, and no test is named`];
  if (kind === 'not built' && testCount > 0) return [`${id} is not built, and has a test`];
  return kind === 'different' && how.trim() === '' ? [`${id}: different in what?`] : [];
}

function missingIds(ids: readonly string[]): string[] {
  return PARTS.flatMap(([part, count]) =>
    Array.from({ length: count }, (_, at) => `${part}${at + 1}`).filter(
      (wanted) => !ids.some((id) => id.replace(/[a-z]$/, '') === wanted),
    ),
  );
}

function testComplaints(
  file: string,
  title: string,
  sourceOf: (file: string) => string | null,
): string[] {
  const source = sourceOf(file);
  if (source === null) return [`there is no ${file}`];
  const isThere = ["'", '"', '`'].some((quote) => source.includes(`${quote}${title}${quote}`));
  return isThere ? [] : [`${file} has no test "${title}"`];
}
