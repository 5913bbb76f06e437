/** Changes a store in many steps, while the processes that have it open come and go. */
import type { LockedError, Store } from '../src/index.ts';
import type { ControlVerb } from '../src/store/control-verb.ts';
import type { CommandContext } from './command.ts';
import {
  Handover,
  NOTE_AFTER_MS,
  NoOwnerError,
  openToChange,
  OwnerDesk,
  type StoreDesk,
  type StoreWork,
} from './store-desk.ts';

/** So long an answer is waited for after Ctrl-C: it says what was stored. */
const LAST_ANSWER_MS = 5_000;

/**
 * As `changeStore`, but each question goes to whoever has the store then: when the process that had
 * it open closed it, the store is opened here, and the work goes on where it was.
 *
 * @throws CommandError (exit code 5) when a process has the store open and does not listen
 */
export async function relayToStore<T>(
  context: CommandContext,
  path: string,
  work: StoreWork<T>,
): Promise<T> {
  const desk = new RelayDesk(context, path);
  try {
    return await work(desk);
  } finally {
    await desk.close();
  }
}

class RelayDesk implements StoreDesk {
  readonly #context: CommandContext;
  readonly #path: string;
  readonly #owner: OwnerDesk;
  readonly #patience: Patience;
  /** When it is ours. */
  #store: Store | null = null;
  /** Whether the last answer was that of another process. */
  #isOwned = false;
  #isNoted = false;
  readonly #handover = new Handover();

  constructor(context: CommandContext, path: string) {
    this.#context = context;
    this.#path = path;
    this.#patience = new Patience(context.signal);
    this.#owner = new OwnerDesk(path, this.#patience.signal);
  }

  get isOwner(): boolean {
    return this.#store === null;
  }

  async ask<Args, Answer>(verb: ControlVerb<Args, Answer>, args: Args): Promise<Answer> {
    for (;;) {
      const locked = this.#isOwned ? null : await this.#open();
      if (this.#store !== null) return verb.run(this.#store, args);
      try {
        const answer = await this.#askOwner(verb, args);
        this.#isOwned = true;
        this.#handover.heard();
        return answer;
      } catch (error) {
        if (!(error instanceof NoOwnerError)) throw error;
        this.#isOwned = false; // Nothing was done: the store may be free.
        await this.#handover.wait(error, locked);
      }
    }
  }

  async close(): Promise<void> {
    this.#patience.end();
    await this.#store?.close();
  }

  /** Opens the store, if nobody has it. */
  async #open(): Promise<LockedError | null> {
    if (this.#store !== null) return null;
    const opened = await openToChange(this.#path);
    if (opened instanceof Error) return opened;
    this.#store = opened;
    return null;
  }

  async #askOwner<Args, Answer>(verb: ControlVerb<Args, Answer>, args: Args): Promise<Answer> {
    const waiting = setTimeout(() => this.#note(), NOTE_AFTER_MS);
    try {
      return await this.#owner.ask(verb, args);
    } finally {
      clearTimeout(waiting);
    }
  }

  #note(): void {
    if (this.#isNoted) return;
    this.#isNoted = true;
    this.#context.note('waiting for the process that has the store open; Ctrl-C ends the waiting');
  }
}

/** Fires a while after Ctrl-C. */
class Patience {
  readonly #controller = new AbortController();
  readonly #source: AbortSignal;
  #timer: NodeJS.Timeout | null = null;

  constructor(source: AbortSignal) {
    this.#source = source;
    if (source.aborted) this.#begin();
    else source.addEventListener('abort', this.#begin, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    this.#source.removeEventListener('abort', this.#begin);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  readonly #begin = (): void => {
    const { reason }: { readonly reason: unknown } = this.#source;
    this.#timer = setTimeout(() => this.#controller.abort(reason), LAST_ANSWER_MS);
  };
}
