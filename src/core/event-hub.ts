/**
 * Events with typed payloads: told to listeners, and published on a channel of
 * `node:diagnostics_channel`, `<prefix>:<name>`, when somebody subscribed to it.
 *
 * Told in order, and never in the middle of the step in which it happened: a listener may do anything
 * that a caller may. One that throws harms nobody, a warning says so.
 */
import { argumentError, checkFunction } from './assert.ts';
import { channel, type Channel } from 'node:diagnostics_channel';

/** What it returns is of no interest, but for a promise that fails: see `EventHub`. */
export type Listener<Payload> = (payload: Payload) => unknown;

type Listeners<Events> = { [Name in keyof Events]?: Set<Listener<Events[Name]>> };

export interface EventHubOptions {
  /** Of all events that there are. */
  readonly names: readonly string[];
  /** Of the channels. */
  readonly prefix: string;
  /** What every message on a channel carries besides. */
  readonly origin: object;
}

export class EventHub<Events extends object> {
  readonly #options: EventHubOptions;
  readonly #listeners: Listeners<Events> = {};
  readonly #channels = new Map<PropertyKey, Channel>();
  /** Listeners that threw so far. */
  failureCount = 0;

  constructor(options: EventHubOptions) {
    this.#options = options;
  }

  /** Calls `listener` whenever it happens. @returns ends that. @throws TypeError */
  on<Name extends keyof Events & string>(name: Name, listener: Listener<Events[Name]>): () => void {
    checkFunction('listener', listener);
    if (!this.#options.names.includes(name)) {
      throw argumentError(TypeError, 'name', `one of ${this.#options.names.join(', ')}`, name);
    }
    const listeners = (this.#listeners[name] ??= new Set());
    // Its own, or the same function twice would be one.
    const own: Listener<Events[Name]> = (payload) => listener(payload);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Tells everybody who listens when the current step is done. Costs nothing when nobody does. */
  emit<Name extends keyof Events & string>(name: Name, payload: Events[Name]): void {
    const isHeard = (this.#listeners[name]?.size ?? 0) > 0 || this.#channel(name).hasSubscribers;
    if (isHeard) queueMicrotask(() => this.#deliver(name, payload));
  }

  #deliver<Name extends keyof Events & string>(name: Name, payload: Events[Name]): void {
    for (const listener of this.#listeners[name] ?? []) this.#tell(name, () => listener(payload));
    const published = this.#channel(name);
    if (published.hasSubscribers) published.publish({ ...this.#options.origin, ...payload });
  }

  #channel(name: string): Channel {
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const made = channel(`${this.#options.prefix}:${name}`);
    this.#channels.set(name, made);
    return made;
  }

  #tell(name: string, call: () => unknown): void {
    try {
      const result = call();
      if (result instanceof Promise) result.catch((error: unknown) => this.#warn(name, error));
    } catch (error) {
      this.#warn(name, error);
    }
  }

  #warn(name: string, error: unknown): void {
    this.failureCount++;
    const why = error instanceof Error ? error.message : String(error);
    process.emitWarning(`a listener of "${name}" failed: ${why}`, { code: 'VARVE_LISTENER' });
  }
}
