import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { exampleText } from '../support/examples.ts';
import { runProgram } from '../support/run-cli.ts';

const root = join(import.meta.dirname, '..', '..');
const directories: string[] = [];

afterAll(async () => {
  for (const path of directories) await rm(path, { recursive: true, force: true });
});

/** Below the package, so that `varve` is the package itself. */
async function freshDirectory(): Promise<string> {
  const parent = join(root, 'segments', 'local');
  await mkdir(parent, { recursive: true });
  const path = await mkdtemp(join(parent, 'readme-'));
  directories.push(path);
  return path;
}

/** The first example of a section. */
async function exampleOf(title: string): Promise<string> {
  const text = await readFile(join(root, 'README.md'), 'utf8');
  const section = text.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
  return /^```ts\n(.*?)^```/ms.exec(section)?.[1] ?? '';
}

test.each([
  ['Tables', './airport', 2],
  ['Exchanges', './shop', 3],
  ['Transactions', './bank', 2],
])(
  "README's example of %s runs as it stands, and prints what it says",
  async (title, path, count) => {
    const example = await exampleOf(title);
    const directory = await freshDirectory();
    const file = join(directory, 'example.mjs');
    await writeFile(file, example.replace(`'${path}'`, JSON.stringify(join(directory, 'store'))));
    const { exitCode, stdout, stderr } = await runProgram(file, []);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const said = [...example.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(
      ([, text = '']) => text,
    );
    const printed = stdout.trimEnd().split('\n');
    expect(said).toHaveLength(count);
    expect(printed).toHaveLength(said.length);
    for (const [at, line] of printed.entries()) expect(said[at]).toContain(line);
  },
);

test.each(['copy.mjs', 'outbox.mjs', 'inbox.mjs'])(
  'docs/exactly-once.md has %s as it stands in docs/examples',
  async (name) => {
    const page = await readFile(join(root, 'docs', 'exactly-once.md'), 'utf8');
    const [, shown = ''] = page.split(`<!-- ${name} -->\n\n\`\`\`js\n`);
    const example = await exampleText(name);
    expect(example).not.toBe('');
    expect(shown.slice(0, shown.indexOf('```\n'))).toBe(example);
  },
);
