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
  /** What the store does with it; rejected ones too. */
  readonly uses: Set<Promise<unknown>>;
}

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
    const active = { live: make(), handles: new Set<Handle>(), uses: new Set<Promise<unknown>>() };
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
    action: (live: LiveShareGroup) => Promise<R>,
    error: () => Error,
  ): Promise<R> {
    const using = action(live);
    uses.add(using);
    try {
      return await using;
    } finally {
      uses.delete(using);
      this.left(name, error());
    }
  }

  /** Waits for what the store does with a group. Never rejects. */
  async unused(name: ShareName): Promise<void> {
    const active = this.get(name);
    if (active !== null) await Promise.allSettled(active.uses);
  }

  /** Closes every handle, and waits for the store. @throws the first failure, when all are closed */
  async close(isMeant: (name: ShareName) => boolean = () => true): Promise<void> {
    const groups = [...this.#groups.values()].filter(({ live }) => isMeant(live.name));
    const handles = groups.flatMap((active) => [...active.handles]);
    await settleAll(handles.map((handle) => handle.close()));
    await Promise.allSettled(groups.flatMap(({ uses }) => [...uses]));
  }
}
