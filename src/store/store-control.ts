/** Listens for the requests of other processes while a store is open, as well as it can. */
import type { Clock } from '../core/clock.ts';
import type { ControlEndpoint, FileSystem } from '../io/file-system.ts';
import { answerControl, closingAnswer } from './control-protocol.ts';
import type { Store } from './store.ts';

export class StoreControl {
  #endpoint: ControlEndpoint | null = null;
  #problem: string | null = null;

  /** Why nobody can ask; null when somebody can, and where there is nobody else. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Begins to listen for a store, whose lock is held. It is open whether this works or not. */
  async listen(store: Store, fileSystem: FileSystem, clock: Clock): Promise<void> {
    if (fileSystem.openControl === undefined) return;
    try {
      const { identity: directory } = await fileSystem.stat(store.path);
      const answer = (request: Uint8Array) => answerControl({ store, directory }, request);
      const farewell = closingAnswer(store);
      this.#endpoint = await fileSystem.openControl(store.path, { answer, farewell, clock });
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : 'unknown failure';
    }
  }

  /** Waits for requests that are being answered. Idempotent. */
  async close(): Promise<void> {
    await this.#endpoint?.close();
  }
}
