/**
 * Puts questions and changes to a store, whoever has it: to its owner through `control.sock`, or to
 * the store itself, opened here.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isIoError } from '../src/core/errors.ts';
import { LockedError, openStore } from '../src/index.ts';
import type { Store, StoreOptions, TopicDescription } from '../src/index.ts';
import { askControl } from '../src/io/control-client.ts';
import { nodeFileSystem } from '../src/io/node-file-system.ts';
import {
  CLOSING,
  decodeAnswer,
  encodeRequest,
  OTHER_DIRECTORY,
} from '../src/store/control-protocol.ts';
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
const ATTEMPT_COUNT_MAX = 3;
/** So long a process that has just answered is given to close the store. */
const CLOSING_MS = 5_000;
const LOOK_AGAIN_MS = 20;

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

/**
 * As `consultStore`, for a look that takes its time: an owner that answers at all is waited for.
 *
 * @param patience  ends what is asked of the owner; default: Ctrl-C does
 * @throws as `consultStore`
 */
export async function examineStore<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
  patience: AbortSignal = context.signal,
): Promise<T> {
  await checkStorePath(path);
  const told = await consultOwner(context, path, (desk) => desk.ask(listTopics, {}));
  if (told !== null) {
    try {
      return await work(new OwnerDesk(path, patience));
    } catch (error) {
      if (!(error instanceof NoOwnerError)) throw error;
    }
  }
  return lookAtStore(path, (store) => work(new OwnDesk(store)));
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
  const handover = new Handover();
  for (;;) {
    const store = await openToChange(path);
    if (store instanceof Error) {
      const answer = await askOwner(context, path, work);
      if (!(answer instanceof NoOwnerError)) return answer.value;
      await handover.wait(answer, store);
      context.signal.throwIfAborted();
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
export async function openToChange(
  path: string,
  options: StoreOptions = {},
): Promise<Store | LockedError> {
  try {
    return await openStore(path, { onCorruption: 'fail', ...options });
  } catch (error) {
    if (error instanceof LockedError) return error;
    throw error;
  }
}

/** Why there was nobody to do it, if so: nothing was done then. */
async function askOwner<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
): Promise<{ readonly value: T } | NoOwnerError> {
  const waiting = setTimeout(() => {
    context.note('waiting for the process that has the store open; Ctrl-C ends the waiting alone');
  }, NOTE_AFTER_MS);
  try {
    return { value: await work(new OwnerDesk(path, context.signal)) };
  } catch (error) {
    if (error instanceof NoOwnerError) return error;
    throw error;
  } finally {
    clearTimeout(waiting);
  }
}

/** Nobody listens, or does anything any more: nothing was done. */
export class NoOwnerError extends Error {
  /** Whether there is still one, which closes the store. */
  readonly isClosing: boolean;

  constructor(isClosing = false) {
    super(isClosing ? 'the owner closes the store' : 'nobody listens on control.sock');
    this.name = 'NoOwnerError';
    this.isClosing = isClosing;
  }
}

/** Waits for the lock of a store whose owner goes away. */
export class Handover {
  #attemptCount = 0;
  /** When the owner was heard last. */
  #heardMs = Number.NEGATIVE_INFINITY;

  /** It answered. */
  heard(): void {
    this.#heardMs = performance.now();
    this.#attemptCount = 0;
  }

  /**
   * Returns when it is worth to look again.
   *
   * @param locked  why the store could not be opened; null = nobody tried
   * @throws CommandError (exit code 5) when that process is there, and does not listen
   */
  async wait({ isClosing }: NoOwnerError, locked: LockedError | null): Promise<void> {
    if (isClosing) this.#heardMs = performance.now();
    this.#attemptCount++;
    const isLate = performance.now() - this.#heardMs > CLOSING_MS;
    if (locked === null || (isLate && this.#attemptCount < ATTEMPT_COUNT_MAX)) return;
    if (isLate) throw lockedBy(locked);
    await sleep(LOOK_AGAIN_MS); // It closes the store: what is on its way there comes first.
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
      const kind = error instanceof OwnerError ? kindOf(error) : null;
      if (kind === OTHER_DIRECTORY || kind === CLOSING) throw new NoOwnerError(kind === CLOSING);
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

/** With `OTHER_DIRECTORY`, the socket came here with a copy of the directory. */
function kindOf({ details }: OwnerError): unknown {
  const hasKind = typeof details === 'object' && details !== null && 'kind' in details;
  return hasKind ? details.kind : null;
}

/** Of a store whose owner does not listen. */
export function lockedBy({ message }: LockedError): CommandError {
  return new CommandError(
    ExitCode.locked,
    message,
    'that process does not listen on control.sock: stop it first; without --yes it is a dry run',
  );
}
