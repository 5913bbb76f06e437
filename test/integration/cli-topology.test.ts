/** `varve route`, `simulate` and `topology`: what leads where, would lead, and as a whole. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { changedFiles, flights, inStore, jsonOf } from '../support/cli-exchanges.ts';
import { contentsOf, linesOf } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** As `flights`, with `lost`, the alternate of `delays`, and `delays` bound to `flights`. */
async function connected(): Promise<string> {
  const path = await flights();
  await inStore(path, async (store) => {
    await store.exchange('lost', { type: 'fanout', internal: true });
    await store.exchangeCatalog.setAlternate('delays', 'lost');
    await (await store.exchange('lost')).bind('audit');
    const delays = await store.exchange('delays');
    const headers = { 'x-match': 'any', delay: 'long', crew: null, raw: new Uint8Array([255, 0]) };
    await delays.bind('late', { headers });
    await (await store.exchange('flights')).bind({ exchange: 'delays' }, { pattern: 'flight.#' });
  });
  return path;
}

describe('route', () => {
  test('says in words where a record would go, and why', async () => {
    const path = await connected();
    const before = await contentsOf(path);
    const { exitCode, stdout } = await runCli(['route', path, 'flights', 'flight.LHR.AMS']);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout.split('\n').toSorted()).toEqual(
      [
        'exchange flights (topic)',
        '  queue arrivals by flight.*.AMS: the pattern matches: `*` is LHR',
        '  topic audit by #: the pattern matches: `#` is flight.LHR.AMS',
        '  exchange delays by flight.#: the pattern matches: `#` is LHR.AMS',
        'exchange delays (headers, from flights)',
        '  no binding matches, so it goes to its alternate lost',
        'exchange lost (fanout, alternate of delays)',
        '  topic audit: a fanout exchange sends everything to all of its bindings',
        'it goes to arrivals, audit (2 copies)',
        '',
      ].toSorted(),
    );
    expect(await changedFiles(path, before)).toEqual([]);
  });

  test('by headers; and says that a record would go nowhere', async () => {
    const path = await connected();
    expect(await jsonOf('route', path, 'delays', '-H', 'crew=none')).toMatchObject({
      destinations: ['late'],
      routingKey: '',
      steps: [
        {
          exchange: 'delays',
          type: 'headers',
          from: null,
          isAlternate: false,
          alternate: null,
          matches: [
            {
              exchange: 'delays',
              destination: { queue: 'late' },
              headers: { 'x-match': 'any', delay: 'long', crew: null, raw: { base64: '/wA=' } },
              why: 'at least one of its conditions is met: crew, delay, raw',
            },
          ],
        },
      ],
    });
    await runCli(['bindings', 'rm', path, 'lost', 'audit', '--yes']);
    const { exitCode, stdout } = await runCli(['route', path, 'delays', 'x']);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(/\n {2}no binding matches\nit goes nowhere\n$/);
  });
});

describe('simulate', () => {
  /** Six records: to `a`, to `b`, and so on; `flights` with what its bindings are. */
  async function past(): Promise<string> {
    const path = await flights();
    const keys = ['flight.a.AMS', 'x', 'flight.b.AMS', 'flight.a.JFK', '', 'flight.c.AMS'];
    const lines = keys.map((routingKey, at) =>
      JSON.stringify({ value: routingKey, routingKey, createTimeMs: 1000 * at }),
    );
    await runCli(['publish', path, 'flights', '--ndjson'], { input: lines.join('\n') });
    return path;
  }

  test('more and fewer bindings: a table, and nothing is changed', async () => {
    const path = await past();
    const before = await contentsOf(path);
    const changes = ['--bind', 'late=flight.a.*', '--unbind', 'arrivals=flight.*.AMS'];
    const { exitCode, stdout, stderr } = await runCli(['simulate', path, 'flights', ...changes]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['destination', 'records', 'same', 'added', 'removed'],
      ['arrivals', '0', '0', '0', '3'],
      ['audit', '6', '6', '0', '0'],
      ['late', '2', '0', '2', '0'],
      ['6 records, offsets 0 to 5: 4 would go elsewhere than they went'],
      [''],
    ]);
    expect(await changedFiles(path, before)).toEqual([]);
  });

  test('notes a destination that is not there: its name may be misspelt', async () => {
    const path = await connected();
    const bind = ['--bind', 'arrivals:#', '--bind', 'arrivals=#', '--bind', 'audit'];
    const { exitCode, stderr } = await runCli(['simulate', path, 'flights', ...bind]);
    expect([exitCode, stderr]).toEqual([
      ExitCode.ok,
      'there is no queue or topic arrivals:# yet\n',
    ]);
  });

  test('each copy by destination and offset, in JSON', async () => {
    const path = await past();
    const changes = ['--bind', 'late=flight.a.*', '--unbind', 'audit=#'];
    const copies = [
      { destination: 'arrivals', offset: 0 },
      { destination: 'late', offset: 0 },
      { destination: 'arrivals', offset: 2 },
      { destination: 'late', offset: 3 },
      { destination: 'arrivals', offset: 5 },
    ];
    expect(await jsonOf('simulate', path, 'flights', ...changes)).toMatchObject({
      path,
      exchange: 'flights',
      copies,
      recordCount: 6,
      range: { start: 0, end: 6 },
      unrouted: { would: 2, did: 0 },
      differentCount: 6,
      destinations: [
        { name: 'arrivals', recordCount: 3, same: 3, added: 0, removed: 0 },
        { name: 'audit', recordCount: 0, same: 0, added: 0, removed: 6 },
        { name: 'late', recordCount: 2, same: 0, added: 2, removed: 0 },
      ],
      unknownFrom: null,
    });
    const { stdout } = await runCli(['simulate', path, 'flights', ...changes, '--ndjson']);
    expect(linesOf(stdout)).toEqual(copies);
  });

  test('a range by offsets and by times', async () => {
    const path = await past();
    const rangeOf = async (...rest: readonly string[]): Promise<unknown> => {
      const { range } = (await jsonOf('simulate', path, 'flights', ...rest)) as { range: unknown };
      return range;
    };
    expect(await rangeOf('--from', '2', '--to', '4')).toEqual({ start: 2, end: 4 });
    expect(await rangeOf('--from', '-2')).toEqual({ start: 4, end: 6 });
    const [since, until] = ['1970-01-01T00:00:01Z', '1970-01-01T00:00:03Z'];
    expect(await rangeOf('--since', since, '--until', until)).toEqual({ start: 1, end: 3 });
    const none = await runCli(['simulate', path, 'flights', '--from', 'latest']);
    expect(none.stdout).toBe('no record is there to be routed\n');
  });

  test('a whole topology, of a file or of stdin, with bindings as JSON', async () => {
    const path = await past();
    const topology = {
      exchanges: [
        { name: 'flights', type: 'fanout' },
        { name: 'next', type: 'direct' },
      ],
      bindings: [{ exchange: 'flights', destination: { exchange: 'next' } }],
    };
    const bind = ['--bind', '{"exchange":"next","destination":{"queue":"new"},"pattern":"x"}'];
    const file = join(await temporaryDirectory(), 'topology.json');
    await writeFile(file, JSON.stringify(topology));
    const found = await jsonOf('simulate', path, 'flights', '--topology', file, ...bind);
    expect(found).toMatchObject({ copies: [{ destination: 'new', offset: 1 }] });
    const piped = await runCli(
      ['simulate', path, 'flights', '--topology', '-', ...bind, '--json'],
      { input: JSON.stringify(topology) },
    );
    expect(JSON.parse(piped.stdout)).toEqual(found);
  });

  test('of the present topology: everything would go where it went', async () => {
    const path = await past();
    const { stdout } = await runCli(['simulate', path, 'flights']);
    expect(stdout).toContain('6 records, offsets 0 to 5: all would go where they went');
  });
});

describe('topology', () => {
  test('exported, imported into an empty store, and exported again: the same', async () => {
    const path = await connected();
    const exported = await runCli(['topology', 'export', path]);
    const empty = join(await temporaryDirectory(), 'store');
    const args = ['topology', 'import', empty, '--create'];
    const dry = await runCli(args, { input: exported.stdout });
    expect(dry.stdout).toMatch(/\nwould make 12 changes; nothing was changed, --yes makes them\n$/);
    expect(await contentsOf(empty).catch(() => null)).toBeNull();
    const done = await runCli([...args, '--yes'], { input: exported.stdout });
    expect(done).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(done.stdout).toContain('create internal fanout exchange lost\n');
    expect(done.stdout).toContain('alternate of exchange delays: lost, not none\n');
    expect(await runCli(['topology', 'export', empty])).toEqual(exported);
    const again = await runCli([...args, '--yes'], { input: exported.stdout });
    expect(again.stdout).toBe('the topology is like that already; nothing was changed\n');
    expect(await jsonOf('queue', 'ls', empty)).toMatchObject({
      queues: [{ topic: 'arrivals' }, { topic: 'late' }],
    });
  });

  test('import leaves what is not in the document, and --prune removes it', async () => {
    const path = await connected();
    const document = {
      exchanges: [{ name: 'flights', type: 'topic' }],
      bindings: [{ exchange: 'flights', destination: { queue: 'late' }, pattern: 'x' }],
    };
    const input = JSON.stringify(document);
    const file = join(await temporaryDirectory(), 'topology.json');
    await writeFile(file, input);
    const args = ['topology', 'import', path, file];
    expect(await jsonOf(...args)).toMatchObject({
      isDryRun: true,
      steps: [{ kind: 'add-binding', binding: { destination: { queue: 'late' } } }],
      conflicts: [],
      missing: [],
    });
    await runCli([...args, '--yes']);
    expect(await jsonOf('bindings', 'ls', path)).toMatchObject({ bindings: { length: 6 } });
    const pruned = await runCli([...args, '--prune', '--yes']);
    expect(pruned.stdout).toContain('delete exchange lost\n');
    const { stdout } = await runCli(['topology', 'export', path]);
    expect(JSON.parse(stdout)).toMatchObject(document);
    expect(JSON.parse(stdout)).toMatchObject({ exchanges: { length: 1 }, bindings: { length: 1 } });
  });

  test('graph draws it: each line is one of DOT', async () => {
    const { stdout } = await runCli(['topology', 'graph', await connected()]);
    const text = String.raw`"(?:[^"\\]|\\.)*"`;
    const node = new RegExp(String.raw`^ {2}n\d+ \[shape=(?:box|cylinder|note), label=${text}\];$`);
    const edge = new RegExp(
      String.raw`^ {2}n\d+ -> n\d+(?: \[label=${text}(?:, style=dashed)?\])?;$`,
    );
    const [open, direction, ...lines] = stdout.trimEnd().split('\n');
    expect([open, direction, lines.pop()]).toEqual(['digraph topology {', '  rankdir=LR;', '}']);
    const nodes = lines.filter((line) => node.test(line));
    const edges = lines.filter((line) => edge.test(line));
    expect([...nodes, ...edges].toSorted()).toEqual(lines.toSorted());
    expect({ nodes: nodes.length, edges: edges.length }).toEqual({ nodes: 6, edges: 6 });
    expect(stdout).toContain('[label="flight.*.AMS"]');
  });

  test('graph draws it: each line is one of Mermaid', async () => {
    const path = await connected();
    const { stdout } = await runCli(['topology', 'graph', path, '--format', 'mermaid']);
    const node = /^ {2}n\d+(?:\{\{"[^"]*"\}\}|\[\("[^"]*"\)\]|\[\/"[^"]*"\/\])$/;
    const edge = /^ {2}n\d+ (?:-->|-\.->)(?:\|"[^"]*"\|)? n\d+$/;
    const [open, ...lines] = stdout.trimEnd().split('\n');
    expect(open).toBe('flowchart LR');
    const counts = [node, edge].map((kind) => lines.filter((line) => kind.test(line)).length);
    expect(counts).toEqual([6, 6]);
    expect(lines).toHaveLength(12);
  });
});
