/** A planted bug: a patch file whose header says what it breaks, which test must notice, and why. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PlantedBug {
  /** Two digits, unique. */
  readonly number: string;
  /** The file's name without number and suffix. */
  readonly name: string;
  readonly path: string;
  /** What the engine does wrong with the patch. */
  readonly bug: string;
  /** The one test that must go red. */
  readonly test: NamedTest;
  /** What a user would lose. */
  readonly why: string;
  /** Files that the patch changes, relative to the repository. */
  readonly files: readonly string[];
}

/** One test: its file relative to the repository, its full name with those of its `describe`s. */
export interface NamedTest {
  readonly file: string;
  readonly name: string;
}

const FILE_NAME = /^(?<number>\d\d)-(?<name>[a-z0-9-]+)\.patch$/;
const KEYS = ['Bug', 'Test', 'Why it matters'] as const;
/** The first line of a patch that `git apply` looks at; what stands before is for people. */
const DIFF_START = /^diff --git /m;

/**
 * Reads the header of one patch. Lines that begin with no key continue the value before.
 *
 * @throws Error that names the file and what its header lacks
 */
export function parsePlantedBug(path: string, fileName: string, text: string): PlantedBug {
  const { number, name } = FILE_NAME.exec(fileName)?.groups ?? {};
  if (number === undefined || name === undefined) {
    throw new Error(`${fileName}: expected a name such as 01-what-it-is.patch`);
  }
  const diffAt = DIFF_START.exec(text)?.index;
  if (diffAt === undefined) throw new Error(`${fileName}: no line begins with "diff --git"`);
  const values = headerValues(text.slice(0, diffAt));
  for (const key of KEYS) {
    if ((values.get(key) ?? '') === '') throw new Error(`${fileName}: the header has no "${key}:"`);
  }
  const [file = '', testName = '', ...rest] = (values.get('Test') ?? '').split(' :: ');
  if (!file.endsWith('.test.ts') || testName === '' || rest.length > 0) {
    throw new Error(`${fileName}: expected "Test: <file>.test.ts :: <full name of the test>"`);
  }
  const bug = values.get('Bug') ?? '';
  const why = values.get('Why it matters') ?? '';
  const files = [...text.slice(diffAt).matchAll(/^\+\+\+ b\/(.+)$/gm)].map(
    (match) => match[1] ?? '',
  );
  return { number, name, path, bug, test: { file, name: testName }, why, files };
}

function headerValues(header: string): Map<string, string> {
  const values = new Map<string, string>();
  let current: string | null = null;
  for (const line of header.split('\n')) {
    const key = KEYS.find((candidate) => line.startsWith(`${candidate}:`));
    if (key !== undefined) {
      values.set(key, line.slice(key.length + 1).trim());
      current = key;
    } else if (current !== null && line.trim() !== '') {
      values.set(current, `${values.get(current) ?? ''} ${line.trim()}`);
    }
  }
  return values;
}

/** All planted bugs of a folder, ascending. @throws Error for a bad header or a number used twice */
export function plantedBugsIn(folder: string): readonly PlantedBug[] {
  const bugs = readdirSync(folder)
    .filter((fileName) => fileName.endsWith('.patch'))
    .sort()
    .map((fileName) => {
      const path = join(folder, fileName);
      return parsePlantedBug(path, fileName, readFileSync(path, 'utf8'));
    });
  checkNumbers(bugs);
  return bugs;
}

/** @throws Error when two bugs have one number */
export function checkNumbers(bugs: readonly PlantedBug[]): void {
  bugs.forEach((bug, at) => {
    const previous = bugs[at - 1];
    if (previous?.number === bug.number) {
      throw new Error(`${bug.number} is the number of ${previous.name} and of ${bug.name}`);
    }
  });
}
