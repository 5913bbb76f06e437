/** `varve simulate` over random topologies: it says what `exchange.simulate` says, and writes nothing. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { SeededRandom } from '../../src/core/random.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import type { SimulateOptions } from '../../src/routing/what-if.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { randomTopology } from '../rabbitmq/random-topology.ts';
import { EXCHANGE_TYPES } from '../rabbitmq/topology.ts';
import { copyDirectory, directoryHash } from '../support/exchange-store.ts';
import { propertyOptions, REPLAY } from '../support/property.ts';
import { live, randomHypotheses } from '../support/random-hypothesis.ts';
import { runCli } from '../support/run-cli.ts';
import { STORE_PATH, StoreBench } from '../support/store-fixture.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const { numRuns = 0, seed: SEED = 0 } = propertyOptions();
/** The others of what-if route as many by the library alone. */
const TOPOLOGIES = Math.ceil(numRuns / 8);
const RECORDS = 30;

/** A hypothesis as a command line has it: a document is its input. */
function argumentsOf({ topology, bind = [], unbind = [] }: SimulateOptions): {
  readonly words: readonly string[];
  readonly input: string;
} {
  const words = [
    ...(topology === undefined ? [] : ['--topology', '-']),
    ...bind.map((binding) => `--bind=${JSON.stringify(binding)}`),
    ...unbind.map((binding) => `--unbind=${JSON.stringify(binding)}`),
  ];
  return { words, input: topology === undefined ? '' : JSON.stringify(topology) };
}

/** What the library says, as the verb prints it. */
async function said(store: Store, exchange: string, options: SimulateOptions) {
  const copies: { readonly destination: string; readonly offset: number }[] = [];
  const run = (await store.exchange(exchange)).simulate(options);
  for await (const { offset, destinations } of run) {
    for (const destination of destinations) copies.push({ destination, offset });
  }
  return { copies, summary: run.summary };
}

test(`simulate says what the library does, over ${TOPOLOGIES} random topologies`, async () => {
  const seen = { runs: 0, copies: 0, different: 0, documents: 0, changes: 0 };
  for (let at = 0; at < TOPOLOGIES; at++) {
    const random = new SeededRandom(SEED + at);
    const type = EXCHANGE_TYPES[at % EXCHANGE_TYPES.length] ?? 'topic';
    const how = { prefix: '', type, recordCount: RECORDS };
    const topology = randomTopology(random, how);
    const bench = new StoreBench();
    const writer = await bench.open();
    const { pasts, bound } = await live(writer, topology);
    await writer.close();
    const path = join(await temporaryDirectory(), 'store');
    await copyDirectory(bench.fileSystem, nodeFileSystem, STORE_PATH, path);
    const before = await directoryHash(nodeFileSystem, path);
    const store = await openStore(path, { readOnly: true });
    for (const { options, holds } of randomHypotheses(random, how, { topology, bound })) {
      const { words, input } = argumentsOf(options);
      for (const exchange of [...pasts.keys()].filter(holds)) {
        const { copies, summary } = await said(store, exchange, options);
        const args = ['simulate', ...words, '--', path, exchange];
        const asJson = await runCli(['--quiet', ...args.toSpliced(1, 0, '--json')], { input });
        const place = `${REPLAY} topology ${at}: ${args.join(' ')}`;
        expect(asJson, place).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
        const expected: unknown = JSON.parse(
          JSON.stringify({ path, exchange, copies, ...summary }),
        );
        expect(JSON.parse(asJson.stdout), place).toEqual(expected);
        const byLine = await runCli(args.toSpliced(1, 0, '--ndjson'), { input });
        const lines = copies.map((copy) => `${JSON.stringify(copy)}\n`);
        expect(byLine.stdout, place).toBe(lines.join(''));
        seen.runs++;
        seen.copies += copies.length;
        seen.different += summary.differentCount;
        if (options.topology === undefined) seen.changes++;
        else seen.documents++;
      }
    }
    await store.close();
    expect(await directoryHash(nodeFileSystem, path), REPLAY).toBe(before);
  }
  for (const [what, count] of Object.entries(seen)) {
    expect(count, what).toBeGreaterThanOrEqual(TOPOLOGIES);
  }
}, 120_000);
