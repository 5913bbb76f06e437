/** What the verbs of exchanges say of mistakes: exit codes, and messages that name them. */
import { join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { changedFiles, flights } from '../support/cli-exchanges.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** `PATH` stands for the store. */
const MISTAKES: readonly [line: string, exitCode: ExitCode, says: string][] = [
  ['exchanges describe PATH flight', ExitCode.notFound, 'did you mean flights?'],
  ['exchanges describe PATH audit', ExitCode.notFound, 'audit is a queue or a topic'],
  ['exchanges delete PATH nothing --yes', ExitCode.notFound, 'there is no exchange nothing'],
  ['exchanges create PATH flights -t topic', ExitCode.failure, 'there is an exchange flights'],
  ['exchanges create PATH new', ExitCode.usage, "required option '-t, --type <type>'"],
  ['exchanges create PATH new -t topics', ExitCode.usage, 'Allowed choices are direct'],
  ['exchanges create PATH new -t topic --alternate flight', ExitCode.notFound, 'mean flights?'],
  ['exchanges detach PATH flights audits --yes', ExitCode.notFound, 'did you mean audit?'],
  ['bindings add PATH flights arrival', ExitCode.notFound, 'did you mean arrivals?'],
  ['bindings add PATH flights delays', ExitCode.notFound, 'say so with --to-exchange'],
  ['bindings add PATH flights late --to-exchange', ExitCode.notFound, 'no exchange late'],
  ['bindings add PATH flights late --from 3x', ExitCode.usage, 'Expected a whole number.'],
  ['bindings add PATH flights late --from 3 --since 1d', ExitCode.usage, 'cannot be used with'],
  ['bindings add PATH delays late -H =1', ExitCode.usage, 'Expected name=value'],
  ['bindings add PATH delays late -H a --match some', ExitCode.usage, 'Allowed choices are all'],
  [`bindings add PATH flights late -p ${'a'.repeat(256)}`, ExitCode.usage, 'at column 256'],
  [
    `bindings add PATH flights late -p ${'é'.repeat(128)}`,
    ExitCode.usage,
    `the pattern "${'é'.repeat(40)}..." has more than 255 bytes at column 128`,
  ],
  ['bindings add PATH by-hash late -p 1x', ExitCode.usage, 'no digit of a weight at column 2'],
  ['bindings add PATH by-hash late', ExitCode.usage, 'a weight, such as 1'],
  [`exchanges create PATH ${'a'.repeat(247)} -t fanout`, ExitCode.usage, 'of 1 to 246 bytes'],
  ['bindings rm PATH flights arrivals', ExitCode.notFound, 'there is flights -> queue arrivals'],
  ['bindings rm PATH flights late', ExitCode.notFound, 'there is no binding flights -> queue late'],
  ['bindings ls PATH flight', ExitCode.notFound, 'did you mean flights?'],
  ['publish PATH flight x', ExitCode.notFound, 'did you mean flights?'],
  ['publish PATH flights x --ndjson', ExitCode.usage, 'are for lines of stdin, not for values'],
  [`publish PATH flights x -r ${'a'.repeat(256)}`, ExitCode.usage, 'routing key'],
  [`publish PATH flights x --cc ${'a'.repeat(256)}`, ExitCode.usage, 'routing key'],
  [`publish PATH flights x ${'--bcc a '.repeat(65)}`.trimEnd(), ExitCode.usage, 'at most 64'],
  ['publish PATH flights x --confirm never', ExitCode.usage, 'Allowed choices are logged, routed'],
  ['route PATH flight a', ExitCode.notFound, 'did you mean flights?'],
  [`route PATH flights ${'a'.repeat(256)}`, ExitCode.usage, 'routing key'],
  ['simulate PATH flights --bind =a', ExitCode.usage, 'Expected destination=pattern.'],
  ['simulate PATH flights --bind {a', ExitCode.usage, 'or a binding as JSON.'],
  ['simulate PATH flights --bind {"to":1}', ExitCode.usage, 'unknown key `to`'],
  ['simulate PATH flights --unbind arrivals=x', ExitCode.notFound, 'flights -> queue arrivals (x)'],
  ['simulate PATH flight', ExitCode.notFound, 'did you mean flights?'],
  ['simulate PATH flights --to 3 --until 1d', ExitCode.usage, 'cannot be used with'],
  ['simulate PATH flights --topology none.json', ExitCode.notFound, 'there is no file none.json'],
  ['topology graph PATH --format svg', ExitCode.usage, 'Allowed choices are dot, mermaid'],
  ['topology import PATH none.json', ExitCode.notFound, 'there is no file none.json'],
  ['topology ls PATH', ExitCode.usage, "unknown command 'ls'"],
];

describe('mistakes', () => {
  test('are named, and change nothing', async () => {
    const path = await flights();
    await runCli(['exchanges', 'create', path, 'by-hash', '-t', 'consistent-hash', '--yes']);
    const before = await contentsOf(path);
    for (const [line, exitCode, says] of MISTAKES) {
      const args = line.split(' ').map((word) => (word === 'PATH' ? path : word));
      const result = await runCli(args);
      expect(result, line).toMatchObject({ exitCode, stdout: '' });
      expect(result.stderr, line).toContain(says);
    }
    expect(await changedFiles(path, before)).toEqual([]);
  });

  test('where there is no store: exit 3, and none is made', async () => {
    const path = join(await temporaryDirectory(), 'store');
    for (const line of [
      'exchanges ls',
      'exchanges describe PATH a',
      'bindings ls',
      'bindings add PATH a b --yes',
      'publish PATH a b',
      'route PATH a b',
      'simulate PATH a',
      'topology export',
      'topology graph',
    ]) {
      const words = line.includes('PATH') ? line.split(' ') : [...line.split(' '), 'PATH'];
      const result = await runCli(words.map((word) => (word === 'PATH' ? path : word)));
      expect(result, line).toMatchObject({ exitCode: ExitCode.notFound, stdout: '' });
      expect(result.stderr, line).toContain('there is no store at');
    }
    expect(await contentsOf(path).catch(() => null)).toBeNull();
  });

  test('topology import says which of its options makes a store, where one can be made', async () => {
    const directory = await temporaryDirectory();
    const input = '{"exchanges": [{"name": "events", "type": "topic"}]}';
    const path = join(directory, 'store');
    const missing = await runCli(['topology', 'import', path, '--yes'], { input });
    expect(missing).toMatchObject({ exitCode: ExitCode.notFound, stdout: '' });
    expect(missing.stderr).toMatch(/^error: there is no store at .*\nhint: --create makes one/);
    await mkdir(path);
    const empty = await runCli(['topology', 'import', path, '--yes'], { input });
    expect(empty.exitCode).toBe(ExitCode.notFound);
    expect(empty.stderr).toMatch(/^error: there is no store.json in .*\nhint: --create makes one/);
    const done = await runCli(['topology', 'import', path, '--create', '--yes'], { input });
    expect(done, done.stderr).toMatchObject({ exitCode: ExitCode.ok });
    await writeFile(join(directory, 'letter.txt'), 'mine');
    const foreign = await runCli(['topology', 'import', directory, '--yes'], { input });
    expect(foreign.exitCode).toBe(ExitCode.notFound);
    expect(foreign.stderr).not.toContain('--create'); // It would refuse.
  });

  test.for<[document: string, exitCode: ExitCode, says: string]>([
    ['{', ExitCode.usage, 'is not JSON'],
    ['{"exchange": []}', ExitCode.usage, 'unknown key `exchange`, perhaps `exchanges`'],
    ['{"exchanges": [{"name": "a", "type": "x"}]}', ExitCode.usage, 'exchanges[0].type'],
    [
      '{"bindings": [{"exchange": "b", "destination": {"queue": "late"}}]}',
      ExitCode.usage,
      'bindings[0].exchange',
    ],
    [
      '{"bindings": [{"exchange": "flights", "destination": {"queue": "none"}}]}',
      ExitCode.notFound,
      'bindings lead to what is not there: queue none',
    ],
    [
      '{"exchanges": [{"name": "flights", "type": "direct"}]}',
      ExitCode.failure,
      'exchange flights has type topic, not type direct',
    ],
  ])('of a topology document: %s', async ([document, exitCode, says]) => {
    const path = await flights();
    const before = await contentsOf(path);
    const file = join(await temporaryDirectory(), 'topology.json');
    await writeFile(file, document);
    const result = await runCli(['topology', 'import', path, file, '--yes']);
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toContain(says);
    expect(await changedFiles(path, before)).toEqual([]);
  });
});
