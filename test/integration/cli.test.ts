import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EXIT_CODES, ExitCode } from '../../tools/exit-codes.ts';
import { VERB_GROUPS } from '../../tools/verb-groups.ts';
import { VERBS } from '../../tools/verbs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const LISTED = [
  ...VERBS.map((verb) => ({ ...verb, fullName: verb.name })),
  ...VERB_GROUPS.flatMap(({ name, verbs }) =>
    verbs.map((verb) => ({ ...verb, fullName: `${name} ${verb.name}` })),
  ),
];
const ALL_VERBS = LISTED.map(({ fullName }) => fullName);
/** Those that work on a store. */
const STORE_VERBS = LISTED.filter((verb) => verb.arguments.startsWith('<store>')).map(
  ({ fullName }) => fullName,
);

describe('help', () => {
  test('of an unknown verb: exit 2, and the verb that was perhaps meant', async () => {
    const { exitCode, stdout, stderr } = await runCli(['help', 'verfy']);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.usage, stdout: '' });
    expect(stderr).toContain('(Did you mean verify?)');
  });

  test.each(['cat', 'tail', 'export'])('of %s: a damaged tail fails at once', async (verb) => {
    const { stdout } = await runCli(['help', verb]);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('before anything is printed');
  });

  test.each(['cat', 'verify', 'repair'])('%s where nothing is: hints at varve ls', async (verb) => {
    const { exitCode, stderr } = await runCli([verb, '/nonexistent/log']);
    expect(exitCode).toBe(ExitCode.notFound);
    expect(stderr).toContain('hint: varve ls . lists the logs');
  });

  test.each(['--help', 'help', '-h'])(
    'varve %s lists verbs, exit codes and three examples',
    async (flag) => {
      const { exitCode, stdout, stderr } = await runCli([flag]);
      expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
      for (const verb of ALL_VERBS) {
        expect(stdout).toMatch(new RegExp(`^  ${verb.split(' ')[0] ?? ''} `, 'm'));
      }
      for (const [code, sentence] of Object.entries(EXIT_CODES)) {
        expect(stdout).toMatch(new RegExp(`^ +${code}  ${sentence.slice(0, 20)}`, 'm'));
      }
      expect(stdout.match(/^ {2}\$ /gm)).toHaveLength(3);
    },
  );

  test.each(ALL_VERBS)('varve %s --help ends with three examples', async (verb) => {
    const { exitCode, stdout } = await runCli([...verb.split(' '), '--help']);
    expect(exitCode).toBe(ExitCode.ok);
    const examples = stdout.slice(stdout.indexOf('Examples:'));
    expect(examples.match(/^ {2}\$ .*varve /gm)).toHaveLength(3);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^ {2}\$ .*varve /);
    expect(stdout).toContain('--color');
    expect(await runCli(['help', ...verb.split(' ')])).toMatchObject({ stdout });
  });

  test.each(ALL_VERBS)(
    'varve %s --help is a manual page: what, how, when, which files',
    async (verb) => {
      const { stdout } = await runCli([...verb.split(' '), '--help']);
      expect(stdout).toMatch(new RegExp(`^Usage: varve ${verb} \\[options\\] [<[]`));
      const sections = ['Arguments', 'Options', 'Beside a writer', 'Exit codes', 'Environment'];
      for (const section of [...sections, 'Files', 'See also', 'Examples']) {
        expect(stdout).toMatch(new RegExp(`^${section}:$`, 'm'));
      }
      const isOfStore = STORE_VERBS.includes(verb) || verb === 'delete-records';
      const logFile = isOfStore ? '<store>/journal/' : '<dir>/*.log';
      const file = verb === 'bench' ? '<dir>/bench-*/' : logFile;
      for (const name of ['NO_COLOR', 'FORCE_COLOR', 'VARVE_DEBUG', file]) {
        expect(stdout).toContain(`  ${name} `);
      }
      const others = [...stdout.matchAll(/varve help ([\w-]+(?: [\w-]+)?)/g)].map(
        ([, other = '']) => other,
      );
      expect(others.length).toBeGreaterThan(1);
      expect(ALL_VERBS).toEqual(expect.arrayContaining(others));
      expect(others).not.toContain(verb);
      expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
    },
  );

  test('varve --version prints the version of the package', async () => {
    const { stdout } = await runCli(['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('a wrong command line exits 2, and says how to go on', () => {
  test.each([
    ['no verb', [], 'Usage: varve'],
    ['an unknown verb', ['cta', 'x'], '(Did you mean cat?)'],
    ['an unknown option', ['cat', 'x', '--limt', '3'], '(Did you mean --limit?)'],
    ['an unknown option of the program', ['--colour', 'cat', 'x'], '(Did you mean --color?)'],
    ['an unknown option of a new verb', ['repair', 'x', '--yess'], '(Did you mean --yes?)'],
    ['no directory', ['cat'], "missing required argument 'dir'"],
    ['too many directories', ['cat', 'a', 'b'], 'too many arguments'],
    ['a bad count', ['cat', 'x', '--limit', 'ten'], 'Expected a whole number.'],
    ['a bad time', ['cat', 'x', '--since', 'noon'], 'Expected a duration such as 15m'],
    [
      'a bad format',
      ['cat', 'x', '--format', '%q'],
      '--format: %q at character 1 is not understood',
    ],
    [
      'two starts',
      ['cat', 'x', '--from', '1', '--since', '1h'],
      "cannot be used with option '--since",
    ],
    ['format and JSON', ['cat', 'x', '--json', '--format', '%v'], 'cannot be used with option'],
    [
      'a bad choice',
      ['append', 'x', '--durability', 'maybe'],
      'Allowed choices are os, interval, sync',
    ],
    [
      'an empty separator',
      ['append', 'x', '--key-separator', ''],
      '--key-separator must not be empty',
    ],
  ])('%s', async (_name, args, message) => {
    const { exitCode, stdout, stderr } = await runCli(args);
    expect(stderr).toContain(message);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.usage, stdout: '' });
    expect(stderr).toMatch(/hint:|Examples:/);
  });
});

describe('a path where a verb should be', () => {
  test.each(['./demo', '/var/lib/demo', 'src'])(
    'varve %s: exit 2, and what to write',
    async (path) => {
      const { exitCode, stderr } = await runCli([path]);
      expect(exitCode).toBe(ExitCode.usage);
      expect(stderr).toContain(`error: unknown command '${path}'`);
      expect(stderr).toContain(`hint: a verb comes first: varve info ${path}, varve cat ${path}`);
    },
  );

  test('a word that is no path gets no such hint', async () => {
    expect((await runCli(['verfy'])).stderr).toContain('(Did you mean verify?)');
    expect((await runCli(['verfy'])).stderr).not.toContain('a verb comes first');
  });
});

describe('verbs that read', () => {
  test.each(['cat', 'dump', 'export', 'info', 'repair', 'tail', 'verify'])(
    '%s of a missing log: exit 3, nothing created',
    async (verb) => {
      const directory = await temporaryDirectory();
      const { exitCode, stdout, stderr } = await runCli([verb, join(directory, 'missing')]);
      expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.notFound, stdout: '' });
      expect(stderr).toMatch(/^error: there is no .* at .*missing\nhint: /);
      expect(await readdir(directory)).toEqual([]);
    },
  );

  test.each(['cat', 'dump', 'export', 'info', 'repair', 'tail', 'verify'])(
    '%s of a directory that is no log: exit 3',
    async (verb) => {
      const directory = await temporaryDirectory();
      await writeFile(join(directory, 'notes.txt'), 'mine');
      const { exitCode, stderr } = await runCli([verb, directory]);
      expect(exitCode).toBe(ExitCode.notFound);
      expect(stderr).toContain('is not a varve log');
      expect(await readdir(directory)).toEqual(['notes.txt']);
    },
  );

  test('names are escaped in messages', async () => {
    const directory = await temporaryDirectory();
    const { stderr } = await runCli(['cat', join(directory, '\u001B[2Jx')]);
    expect(stderr).toContain(String.raw`\x1b[2Jx`);
    expect(stderr).not.toContain('\u001B');
  });
});

describe('colour', () => {
  test('only when asked for in a pipe, and NO_COLOR is obeyed', async () => {
    const missing = ['cat', '/nonexistent/log'];
    expect((await runCli(missing)).stderr).not.toContain('\u001B');
    expect((await runCli([...missing, '--color', 'always'])).stderr).toContain('\u001B[31merror:');
    const env = { NO_COLOR: '1', FORCE_COLOR: '1' };
    expect((await runCli(missing, { env })).stderr).not.toContain('\u001B');
  });
});

test('append refuses a directory with files of somebody else', async () => {
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'photos'));
  const { exitCode, stderr } = await runCli(['append', directory], { input: 'x\n' });
  expect(exitCode).toBe(ExitCode.usage);
  expect(stderr).toContain('is not a varve log, and it is not empty');
  expect(await readdir(directory)).toEqual(['photos']);
});
