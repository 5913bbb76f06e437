/** `varve topics add-partitions <store> <topic> <total>`: a dry run unless `--yes`. */
import { addPartitions } from '../../src/store/control-verbs.ts';
import { checkMayGrow } from '../../src/topic/compaction-conflicts.ts';
import { PARTITIONS_MAX } from '../../src/topic/topic-options.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import { CHANGES_STORE, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { askForTopic, changeStore, consultStore } from '../store-desk.ts';
import { formatPlural } from '../units.ts';

interface AddPartitionsOptions {
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `Records stay where they are, but most keys go to another partition from now on: order holds for a key
before and after, not across. varve topics describe shows since when. A topic never has fewer partitions,
and a compacted one never more.`;

export const topicsAddPartitionsVerb: Verb<AddPartitionsOptions> = {
  description: 'Give a topic more partitions. <total> is how many there shall be then.',
  argument: STORE_ARGUMENT,
  moreArguments: [
    { description: 'the name of the topic' },
    { description: 'how many partitions it shall have' },
  ],
  options: [YES_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: { 0: 'Done; or a dry run.', 1: true, 2: true, 3: true, 4: true, 5: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics describe', 'topics alter'],
    examples: [
      { command: 'varve topics add-partitions ./store orders 8', does: 'would it work?' },
      { command: 'varve topics add-partitions ./store orders 8 --yes', does: 'do it' },
      {
        command: 'varve topics add-partitions ./store orders 8 --json | jq .from',
        does: 'how many there are',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome {
  readonly path: string;
  readonly topic: string;
  readonly isDryRun: boolean;
  readonly from: number;
  readonly to: number;
}

async function run(
  context: CommandContext,
  path: string,
  options: AddPartitionsOptions,
  [topic = '', wanted = '']: readonly string[],
): Promise<ExitCode> {
  const to = Number(wanted);
  if (!/^\d{1,9}$/.test(wanted)) throw new UsageError(`<total> is a number, not ${wanted}`);
  const isDryRun = options.yes !== true;
  const { partitionCount: from, options: stored } = await consultStore(context, path, (desk) =>
    askForTopic(desk, path, topic),
  );
  if (to <= from || to > PARTITIONS_MAX) {
    const range = `${from + 1} to ${PARTITIONS_MAX}`;
    throw new UsageError(
      `topic ${topic} has ${formatPlural(from, 'partition')}: <total> is from ${range}, not ${to}`,
    );
  }
  checkMayGrow(topic, stored, to);
  if (!isDryRun) {
    await changeStore(context, path, (desk) => desk.ask(addPartitions, { topic, partitions: to }));
  }
  const { output } = context;
  if (options.json === true) {
    const outcome: Outcome = { path, topic, isDryRun, from, to };
    output.write(`${JSON.stringify(outcome)}\n`);
    return ExitCode.ok;
  }
  const name = `topic ${escapeText(topic)}`;
  const change = `${formatPlural(to, 'partition')}, not ${from}; keys`;
  output.write(
    isDryRun
      ? `${name} would have ${change} would move; nothing was changed, --yes adds them\n`
      : `${name} has ${change} go elsewhere from now on\n`,
  );
  return ExitCode.ok;
}
