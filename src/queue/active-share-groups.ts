/** Share groups that are used in this process: by handles, or for a moment by the store itself. */
import { settleAll } from '../core/settle-all.ts';
import type { LiveShareGroup } from './live-share-group.ts';
import { shareId, type ShareName } from './share-state.ts';

interface Handle {
  close(): Promise<void>;
}

export interface ActiveGroup {
  readonly live: LiveShareGroup;
  readonly handles: Set<Handle>;
  /** What the store does with it, rejected ones too, and what ends it before its time. */
  readonly uses: Map<Promise<unknown>, AbortController>;
}

/** @param signal  aborted when the group is to be left: somebody deletes it, or closes the store */
export type LiveAction<R> = (live: LiveShareGroup, signal: AbortSignal) => Promise<R>;

export class ActiveShareGroups {
  /** By id. */
  readonly #groups = new Map<string, ActiveGroup>();

  get(name: ShareName): ActiveGroup | null {
    return this.#groups.get(shareId(name)) ?? null;
  }

  /** @param make  called when nobody uses it yet */
  activate(name: ShareName, make: () => LiveShareGroup): ActiveGroup {
    const known = this.get(name);
    if (known !== null) return known;
    const active: ActiveGroup = { live: make(), handles: new Set(), uses: new Map() };
    this.#groups.set(shareId(name), active);
    return active;
  }

  /** A handle was closed, or a use has ended. @param error  what those are told who still wait */
  left(name: ShareName, error: Error): void {
    const active = this.get(name);
    if (active === null || active.handles.size + active.uses.size > 0) return;
    this.#groups.delete(shareId(name));
    active.live.close(error);
  }

  /**
   * Has the store use a group, which is there until that ends.
   *
   * @param error  as of `left`
   */
  async use<R>(
    name: ShareName,
    { live, uses }: ActiveGroup,
    action: LiveAction<R>,
    error: () => Error,
  ): Promise<R> {
    const ending = new AbortController();
    const using = action(live, ending.signal);
    uses.set(using, ending);
    try {
      return await using;
    } finally {
      uses.delete(using);
      this.left(name, error());
    }
  }

  /** Ends what the store does with a group. Never rejects. */
  async endUses(name: ShareName): Promise<void> {
    const active = this.get(name);
    if (active !== null) await ended(active);
  }

  /** Closes every handle, and ends what the store does. @throws the first failure, when all are closed */
  async close(isMeant: (name: ShareName) => boolean = () => true): Promise<void> {
    const groups = [...this.#groups.values()].filter(({ live }) => isMeant(live.name));
    const handles = groups.flatMap((active) => [...active.handles]);
    await settleAll(handles.map((handle) => handle.close()));
    await Promise.all(groups.map(ended));
  }
}

async function ended({ uses }: ActiveGroup): Promise<void> {
  for (const ending of uses.values()) ending.abort();
  await Promise.allSettled(uses.keys());
}
