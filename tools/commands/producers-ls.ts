/** `varve producers ls <store>`: who produces with sequences, and how far each is in each topic. */
import { Option } from 'commander';
import type { ProducerListing, TopicProducer } from '../../src/index.ts';
import { listTopics } from '../../src/store/control-verbs.ts';
import { listProducers, type ProducedTopic } from '../../src/store/transaction-verbs.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { ASKS_OWNER, noSuchTopic, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore, type StoreDesk } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatTime } from '../units.ts';

interface ProducersLsOptions {
  readonly topic?: string;
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `A line for each producer and topic. "last" is the highest sequence that is stored there, and "partition" and
"offset" its place. "resume from" is where to go on: nothing below is missing; it is lower than "last" where
a number in between was refused. "opened" is when somebody last began to produce under the name. A producer
that has stored nothing has "-". Numbers of an exchange are those of its log, topic exchange:<name>.

Whether somebody produces under a name now ("isOpen" in JSON) is known only to the process that has the
store open, and null without one.`;

export const producersLsVerb: Verb<ProducersLsOptions> = {
  description:
    'List the producers of a store: epochs, and how far each is in each topic. Reads what was appended\n' +
    'since the journal last said so.',
  argument: STORE_ARGUMENT,
  options: [
    new Option('--topic <name>', 'only those that produced to this topic'),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: {
      0: 'Done; also when there is no producer.',
      1: true,
      2: true,
      3: true,
      4: 'A topic is damaged: stderr says which; the others are told of.',
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['transactions ls', 'topics describe', 'journal dump'],
    examples: [
      { command: 'varve producers ls ./store', does: 'all of them' },
      { command: 'varve producers ls ./store --topic orders', does: 'those of one topic' },
      {
        command: `varve producers ls ./store --ndjson | jq -r 'select(.topics == []) | .name'`,
        does: 'those that have stored nothing',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface ListedProducer extends Pick<
  ProducerListing,
  'name' | 'epoch' | 'createdTimeMs' | 'openedTimeMs'
> {
  readonly isOpen: boolean | null;
  /** By name. */
  readonly topics: readonly (Omit<TopicProducer, 'name'> & { readonly topic: string })[];
}

interface Listing {
  readonly producers: readonly ListedProducer[];
  readonly damaged: readonly ProducedTopic[];
}

async function run(
  context: CommandContext,
  path: string,
  options: ProducersLsOptions,
): Promise<ExitCode> {
  const { output } = context;
  const { producers, damaged } = await consultStore(context, path, (desk) =>
    ask(desk, path, options),
  );
  for (const { topic, damage } of damaged) context.warn(`topic ${topic}: ${damage}`);
  if (options.json === true) {
    const damagedTopics = damaged.map(({ topic }) => topic);
    output.write(`${JSON.stringify({ path, producers, damagedTopics })}\n`);
  } else if (options.ndjson === true) {
    for (const producer of producers) {
      output.write(`${JSON.stringify(producer)}\n`);
      if (output.isFull) await output.drain();
    }
  } else if (producers.length > 0) output.write(table(producers));
  else context.note(`no producer in ${path}`);
  return damaged.length === 0 ? ExitCode.ok : ExitCode.corrupt;
}

/** @throws CommandError (exit code 3) when there is no such topic */
async function ask(desk: StoreDesk, path: string, { topic }: ProducersLsOptions): Promise<Listing> {
  const wanted = topic ?? null;
  if (wanted !== null) {
    const topics = await desk.ask(listTopics, {});
    if (topics.every(({ name }) => name !== wanted)) throw noSuchTopic(path, wanted);
  }
  const listed = await desk.ask(listProducers, { topic: wanted });
  const places = placesOf(listed.topics);
  const producers = listed.producers.map(
    ({ name, epoch, createdTimeMs, openedTimeMs, isOpen }): ListedProducer => ({
      name,
      epoch,
      createdTimeMs,
      openedTimeMs,
      isOpen: desk.isOwner ? isOpen : null,
      topics: places.get(name) ?? [],
    }),
  );
  return {
    producers: producers.filter(({ topics }) => wanted === null || topics.length > 0),
    damaged: listed.topics.filter(({ damage }) => damage !== null),
  };
}

/** By name of the producer. */
function placesOf(
  topics: readonly ProducedTopic[],
): Map<string, ListedProducer['topics'][number][]> {
  const places = new Map<string, ListedProducer['topics'][number][]>();
  for (const { topic, producers } of topics) {
    for (const { name, ...position } of producers ?? []) {
      const known = places.get(name);
      if (known === undefined) places.set(name, [{ topic, ...position }]);
      else known.push({ topic, ...position });
    }
  }
  return places;
}

function table(producers: readonly ListedProducer[]): string {
  return formatTable(
    [
      { title: 'producer' },
      { title: 'epoch', align: 'right' },
      { title: 'opened' },
      { title: 'topic' },
      { title: 'last', align: 'right' },
      { title: 'resume from', align: 'right' },
      { title: 'partition', align: 'right' },
      { title: 'offset', align: 'right' },
    ],
    producers.flatMap(({ name, epoch, openedTimeMs, topics }) => {
      const who = [name, formatCount(epoch), formatTime(openedTimeMs)];
      if (topics.length === 0) return [[...who, '-', '-', '-', '-', '-']];
      return topics.map(({ topic, sequence, resumeFrom, partition, offset }) => [
        ...who,
        topic,
        numberOr(sequence),
        formatCount(resumeFrom),
        partition === null ? '-' : String(partition),
        numberOr(offset),
      ]);
    }),
  );
}

function numberOr(value: number | null): string {
  return value === null ? '-' : formatCount(value);
}
