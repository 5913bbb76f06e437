/** Listens for the requests of other processes while a store is open, as well as it can. */
import type { ControlEndpoint, ControlOptions, FileSystem } from '../io/file-system.ts';

export class StoreControl {
  #endpoint: ControlEndpoint | null = null;
  #problem: string | null = null;

  /** Why nobody can ask; null when somebody can, and where there is nobody else. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Begins to listen in a directory whose lock is held. A store is open whether this works or not. */
  async listen(fileSystem: FileSystem, path: string, options: ControlOptions): Promise<void> {
    try {
      this.#endpoint = (await fileSystem.openControl?.(path, options)) ?? null;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : 'unknown failure';
    }
  }

  /** Waits for requests that are being answered. Idempotent. */
  async close(): Promise<void> {
    await this.#endpoint?.close();
  }
}
