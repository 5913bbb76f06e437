/** `varve queue pause` and `varve queue resume`: whether a queue hands records out. */
import { pauseShareGroup } from '../../src/store/queue-verbs.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  findQueue,
  labelOf,
  QUEUE_ARGUMENT,
  QUEUE_NOTE,
  refOf,
  SHARE_GROUP_OPTION,
  type QueueChoice,
} from '../queue-choice.ts';
import { checkStorePath, STORE_ARGUMENT, STORE_WRITER_FILES, TAKES_LOCK } from '../store-access.ts';
import { changeStore } from '../store-desk.ts';

interface QueuePauseOptions extends QueueChoice {
  readonly json?: true;
}

const SHARED = {
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [SHARE_GROUP_OPTION, JSON_OPTION],
};

const HELP = {
  notes: `It is kept: a store that is opened later has it, too.

${QUEUE_NOTE}`,
  besideWriter: TAKES_LOCK,
  exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 5: true },
  files: STORE_WRITER_FILES,
} as const;

export const queuePauseVerb: Verb<QueuePauseOptions> = {
  ...SHARED,
  description:
    'Hand out no more records of a queue, to any consumer, until it is resumed. What is leased goes on,\n' +
    'and records can be sent.',
  help: {
    ...HELP,
    seeAlso: ['queue resume', 'queue stats', 'queue purge'],
    examples: [
      { command: 'varve queue pause ./store email', does: 'at once' },
      { command: 'varve queue pause ./store orders --group billing', does: 'a share group' },
      { command: 'varve queue ls ./store', does: 'shows which are paused' },
    ],
  },
  run: (context, path, options, [name = '']) =>
    run(context, path, { ...options, name, isPaused: true }),
};

export const queueResumeVerb: Verb<QueuePauseOptions> = {
  ...SHARED,
  description: 'Hand out the records of a queue again that was paused.',
  help: {
    ...HELP,
    seeAlso: ['queue pause', 'queue stats'],
    examples: [
      { command: 'varve queue resume ./store email', does: 'at once' },
      { command: 'varve queue resume ./store orders --group billing', does: 'a share group' },
      { command: 'varve queue stats ./store email', does: 'shows whether it is paused' },
    ],
  },
  run: (context, path, options, [name = '']) =>
    run(context, path, { ...options, name, isPaused: false }),
};

interface PauseRequest extends QueuePauseOptions {
  readonly name: string;
  readonly isPaused: boolean;
}

async function run(
  context: CommandContext,
  path: string,
  { name, isPaused, ...options }: PauseRequest,
): Promise<ExitCode> {
  await checkStorePath(path);
  const found = await changeStore(context, path, async (desk) => {
    const queue = await findQueue(desk, path, name, options);
    await desk.ask(pauseShareGroup, { ...refOf(queue), isPaused });
    return queue;
  });
  const { output } = context;
  const outcome = { path, ...refOf(found), isPaused };
  if (options.json === true) output.write(`${JSON.stringify(outcome)}\n`);
  else output.write(`${isPaused ? 'paused' : 'resumed'} ${labelOf(found)}\n`);
  return ExitCode.ok;
}
