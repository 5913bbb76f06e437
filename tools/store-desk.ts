/**
 * Puts questions and changes to a store, whoever has it: to its owner through `control.sock`, or to
 * the store itself, opened here.
 */
import { isIoError } from '../src/core/errors.ts';
import { LockedError, openStore } from '../src/index.ts';
import type { Store, TopicDescription } from '../src/index.ts';
import { askControl } from '../src/io/control-client.ts';
import { nodeFileSystem } from '../src/io/node-file-system.ts';
import { decodeAnswer, encodeRequest, OTHER_DIRECTORY } from '../src/store/control-protocol.ts';
import { OwnerError } from '../src/store/owner-error.ts';
import type { ControlVerb } from '../src/store/control-verb.ts';
import { listTopics } from '../src/store/control-verbs.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { checkStorePath, lookAtStore, noSuchTopic } from './store-access.ts';

/** Who answers for a store. */
export interface StoreDesk {
  /** Whether it is the process that has the store open: only that one knows of members. */
  readonly isOwner: boolean;
  ask<Args, Answer>(verb: ControlVerb<Args, Answer>, args: Args): Promise<Answer>;
}

/** Asks whoever answers; all of it again when the first one turns out not to be there. */
export type StoreWork<T> = (desk: StoreDesk) => Promise<T>;

/** A look does not need the owner: it waits so long for it. */
const LOOK_MS_MAX = 5_000;
/** So long in silence before the user is told what the command waits for. */
export const NOTE_AFTER_MS = 5_000;
/** An owner that closed between two looks leaves the lock to us. */
export const ATTEMPT_COUNT_MAX = 3;

/** What is known of a topic. @throws CommandError (exit code 3), with the hint */
export async function askForTopic(
  desk: StoreDesk,
  path: string,
  topic: string,
  hint?: string,
): Promise<TopicDescription> {
  const found = (await desk.ask(listTopics, {})).find(({ name }) => name === topic);
  if (found !== undefined) return found;
  throw noSuchTopic(path, topic, hint);
}

/**
 * Looks at a store: its owner tells, where one listens, else what is on disk.
 *
 * @throws CommandError (exit code 3) unless a store is there; UsageError for a log or a file
 */
export async function consultStore<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
): Promise<T> {
  await checkStorePath(path);
  const told = await consultOwner(context, path, work);
  return told === null ? lookAtStore(path, (store) => work(new OwnDesk(store))) : told.value;
}

/** What the owner tells; null when there is none, or it does not answer in time. */
export async function consultOwner<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
): Promise<{ readonly value: T } | null> {
  const tooLate = AbortSignal.timeout(LOOK_MS_MAX);
  const signal = AbortSignal.any([context.signal, tooLate]);
  try {
    return { value: await work(new OwnerDesk(path, signal)) };
  } catch (error) {
    if (error instanceof NoOwnerError) return null;
    if (!tooLate.aborted || context.signal.aborted) throw error;
    context.note('the process that has the store open does not answer; this is what is on disk');
    return null;
  }
}

/**
 * Changes a store, and creates it when missing: under its lock, or, while a process has it open,
 * through that one.
 *
 * @throws CommandError (exit code 5) when that process does not listen
 */
export async function changeStore<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const store = await openToChange(path);
    if (store instanceof Error) {
      const answer = await askOwner(context, path, work);
      if (answer !== null) return answer.value;
      if (attempt === ATTEMPT_COUNT_MAX) throw lockedBy(store);
    } else {
      try {
        return await work(new OwnDesk(store));
      } finally {
        await store.close();
      }
    }
  }
}

/** The store under its lock; why not, when somebody else has that. */
export async function openToChange(path: string): Promise<Store | LockedError> {
  try {
    return await openStore(path, { onCorruption: 'fail' });
  } catch (error) {
    if (error instanceof LockedError) return error;
    throw error;
  }
}

/** Null when nobody listens. */
async function askOwner<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
): Promise<{ readonly value: T } | null> {
  const waiting = setTimeout(() => {
    context.note('waiting for the process that has the store open; Ctrl-C ends the waiting alone');
  }, NOTE_AFTER_MS);
  try {
    return { value: await work(new OwnerDesk(path, context.signal)) };
  } catch (error) {
    if (error instanceof NoOwnerError) return null;
    throw error;
  } finally {
    clearTimeout(waiting);
  }
}

/** Nobody listens: nothing was done. */
export class NoOwnerError extends Error {
  constructor() {
    super('nobody listens on control.sock');
    this.name = 'NoOwnerError';
  }
}

/** The owner went away before it answered: what was asked for may have been done. */
export class OwnerGoneError extends CommandError {
  constructor(path: string) {
    super(
      ExitCode.failure,
      `the process that has ${path} open went away before it answered`,
      'what was asked for may have been done: look before you try again',
    );
  }
}

export class OwnDesk implements StoreDesk {
  readonly isOwner = false;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  ask<Args, Answer>(verb: ControlVerb<Args, Answer>, args: Args): Promise<Answer> {
    return verb.run(this.#store, args);
  }
}

export class OwnerDesk implements StoreDesk {
  readonly isOwner = true;
  readonly #path: string;
  readonly #signal: AbortSignal;

  constructor(path: string, signal: AbortSignal) {
    this.#path = path;
    this.#signal = signal;
  }

  async ask<Args, Answer>(verb: ControlVerb<Args, Answer>, args: Args): Promise<Answer> {
    try {
      const request = encodeRequest(verb, args, await identityOf(this.#path));
      const line = await askControl(this.#path, request, { signal: this.#signal });
      if (line === null) throw new NoOwnerError();
      return decodeAnswer(verb, line);
    } catch (error) {
      if (error instanceof OwnerError && isOfOther(error)) throw new NoOwnerError();
      if (!isIoError(error, 'ECONNRESET')) throw error;
      throw new OwnerGoneError(this.#path);
    }
  }
}

/** Empty when there is no such directory: then nobody listens there, either. */
async function identityOf(path: string): Promise<string> {
  try {
    const { identity } = await nodeFileSystem.stat(await nodeFileSystem.realPath(path));
    return identity;
  } catch (error) {
    if (isIoError(error, 'ENOENT', 'ENOTDIR')) return '';
    throw error;
  }
}

/** The socket came here with a copy of the directory. */
function isOfOther({ details }: OwnerError): boolean {
  const hasKind = typeof details === 'object' && details !== null && 'kind' in details;
  return hasKind && details.kind === OTHER_DIRECTORY;
}

/** Of a store whose owner does not listen. */
export function lockedBy({ message }: LockedError): CommandError {
  return new CommandError(
    ExitCode.locked,
    message,
    'that process does not listen on control.sock: stop it first; without --yes it is a dry run',
  );
}
