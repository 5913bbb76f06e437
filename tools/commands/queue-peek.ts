/** `varve queue peek <store> <queue>`: the first records of a queue, without leasing them. */
import { InvalidArgumentError, Option } from 'commander';
import { BROWSED_STATES, type BrowsedState } from '../../src/queue/browse.ts';
import { DEATH_HEADERS, HEADER_PREFIX } from '../../src/format/header-names.ts';
import { peekRecords, type PeekedRecord } from '../../src/store/queue-verbs.ts';
import { NDJSON_OPTION, JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  findQueue,
  QUEUE_ARGUMENT,
  QUEUE_NOTE,
  refOf,
  SHARE_GROUP_OPTION,
  type QueueChoice,
} from '../queue-choice.ts';
import { parseCount } from '../ranges.ts';
import { bytesToJson } from '../record-json.ts';
import { ASKS_OWNER, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore } from '../store-desk.ts';
import { formatTable, shorten, type Column } from '../table.ts';
import { formatCount, formatPlural, formatTime } from '../units.ts';

interface QueuePeekOptions extends QueueChoice {
  readonly limit: number;
  readonly state?: readonly BrowsedState[];
  readonly partition?: number;
  readonly json?: true;
  readonly ndjson?: true;
}

const LIMIT_DEFAULT = 10;
/** On a terminal of 120 columns a row fits, mostly. */
const VALUE_WIDTH = 48;
const HEADERS_WIDTH = 24;
const KEY_WIDTH = 16;
const ERROR_WIDTH = 40;

const NOTES = `Nothing is leased, and nothing changes: records may be handed out while they are looked at. Shown are
those that are not settled: "ready", "leased", "delayed" (due at), and "dead" (with the reason), one
partition after the other. Long values are cut in the table; JSON has all, and bytes that are not UTF-8
as {"base64": "..."}.

"attempts", "failures" and "last error" tell what happened in this queue. Of a dead letter that is the
letter itself, which nobody may have tried yet. Of the record that died "died of" tells why, and after
how many attempts, and "died with" what their handler said last; JSON has the rest, in headers from
varve-death-topic to varve-deaths, and in "cause" which record it is a copy of, if it is one: its kind
("projected", "dead-letter" or "redriven") and its place.

${QUEUE_NOTE}`;

export const queuePeekVerb: Verb<QueuePeekOptions> = {
  description: 'Show the first records of a queue that are not settled, without leasing them.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [
    SHARE_GROUP_OPTION,
    new Option('-n, --limit <count>', 'how many to show')
      .argParser(parseCount)
      .default(LIMIT_DEFAULT),
    new Option(
      '--state <state>',
      `only those in this state; repeat it for more: ${BROWSED_STATES.join(', ')}`,
    ).argParser(parseState),
    new Option('--partition <number>', 'of this one (default: all, one after the other)').argParser(
      parseCount,
    ),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: {
      0: 'Done; also when there is none.',
      1: true,
      2: true,
      3: true,
      4: true,
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue stats', 'queue leases', 'queue redrive', 'cat'],
    examples: [
      { command: 'varve queue peek ./store email', does: 'the first ten' },
      { command: 'varve queue peek ./store email.dead -n 100', does: 'why dead letters died' },
      {
        command: 'varve queue peek ./store email --state dead -n 1000 --ndjson | jq .lastError',
        does: 'why records died that were kept, without a dead-letter queue',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueuePeekOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const { state: states = BROWSED_STATES, partition = null, limit } = options;
  const { found, records } = await consultStore(context, path, async (desk) => {
    const queue = await findQueue(desk, path, name, options);
    const args = { ...refOf(queue), states, partition, limit };
    return { found: queue, records: await desk.ask(peekRecords, args) };
  });
  const { output } = context;
  if (options.json === true) {
    const document = { path, ...refOf(found), records: records.map(toJson) };
    output.write(`${JSON.stringify(document)}\n`);
  } else if (options.ndjson === true) {
    for (const record of records) output.write(`${JSON.stringify(toJson(record))}\n`);
  } else if (records.length === 0) context.note('no record');
  else output.write(table(records));
  return ExitCode.ok;
}

function parseState(text: string, before: readonly BrowsedState[] = []): readonly BrowsedState[] {
  const state = BROWSED_STATES.find((one) => one === text);
  if (state !== undefined) return [...before, state];
  throw new InvalidArgumentError(`Expected one of ${BROWSED_STATES.join(', ')}.`);
}

/** As `--json` prints it; the keys are a documented contract. */
function toJson({ key, value, headers, ...rest }: PeekedRecord) {
  return {
    ...rest,
    key: key === null ? null : bytesToJson(bytesOf(key)),
    headers: Object.fromEntries(
      headers.map((header) => [header.name, bytesToJson(bytesOf(header.value))]),
    ),
    value: value === null ? null : bytesToJson(bytesOf(value)),
  };
}

function bytesOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

function table(records: readonly PeekedRecord[]): string {
  const shown = COLUMNS.filter(
    ({ isRare = false, cell }) => !isRare || records.some((record) => cell(record) !== ''),
  );
  return formatTable(
    shown,
    records.map((record) => shown.map(({ cell }) => cell(record))),
  );
}

interface PeekColumn extends Column {
  /** Left out when it would be empty. */
  readonly isRare?: boolean;
  readonly cell: (record: PeekedRecord) => string;
}

const COLUMNS: readonly PeekColumn[] = [
  { title: 'partition', align: 'right', cell: ({ partition }) => String(partition) },
  { title: 'offset', align: 'right', cell: ({ offset }) => formatCount(offset) },
  { title: 'state', cell: stateCell },
  { title: 'attempts', align: 'right', cell: ({ attempts }) => formatCount(attempts) },
  { title: 'failures', align: 'right', cell: ({ failures }) => formatCount(failures) },
  { title: 'last error', isRare: true, cell: ({ lastError }) => errorCell(lastError) },
  { title: 'died of', isRare: true, cell: deathCell },
  {
    title: 'died with',
    isRare: true,
    cell: (record) => errorCell(headerOf(record, DEATH_HEADERS.lastError)),
  },
  { title: 'key', cell: ({ key }) => textCell(key, KEY_WIDTH) },
  { title: 'headers', cell: headersCell },
  {
    title: 'value',
    cell: ({ value }) => (value === null ? '(none)' : textCell(value, VALUE_WIDTH)),
  },
];

function stateCell({ state, dueMs, reason }: PeekedRecord): string {
  if (dueMs !== null) return `${state} until ${formatTime(dueMs)}`;
  return reason === null ? state : `${state}: ${reason}`;
}

function errorCell(error: string | null): string {
  return shorten(error ?? '', ERROR_WIDTH);
}

/** Of the record that died, whose attempts are not those of its letter. */
function deathCell(record: PeekedRecord): string {
  const reason = headerOf(record, DEATH_HEADERS.reason);
  if (reason === null) return '';
  const attempts = headerOf(record, DEATH_HEADERS.attempts);
  // Anybody may have written such a header.
  const isCount = attempts !== null && /^\d{1,9}$/.test(attempts);
  return isCount ? `${reason}, ${formatPlural(Number(attempts), 'attempt')}` : reason;
}

/** Without those of Varve, which would hide those of the sender. */
function headersCell({ headers }: PeekedRecord): string {
  const own = headers.filter(({ name }) => !name.startsWith(HEADER_PREFIX));
  return shorten(own.map(headerText).join(' '), HEADERS_WIDTH);
}

function headerOf({ headers }: PeekedRecord, wanted: string): string | null {
  const header = headers.find(({ name }) => name === wanted);
  return header === undefined ? null : bytesOf(header.value).toString('utf8');
}

function headerText({ name, value }: PeekedRecord['headers'][number]): string {
  return `${name}=${bytesOf(value).toString('utf8')}`;
}

function textCell(base64: string | null, width: number): string {
  return base64 === null ? '' : shorten(bytesOf(base64).toString('utf8'), width);
}
