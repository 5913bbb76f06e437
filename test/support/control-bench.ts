/** A store that can be asked as through its socket, in memory. */
import type { ControlEndpoint, ControlOptions } from '../../src/io/file-system.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { present } from '../../src/core/assert.ts';
import { decodeAnswer, encodeRequest } from '../../src/store/control-protocol.ts';
import type { ControlVerb } from '../../src/store/control-verb.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { STORE_PATH, StoreBench } from './store-fixture.ts';

class ListeningFileSystem extends MemoryFileSystem {
  #answer: ControlOptions['answer'] | null = null;
  readonly #answering = new Set<Promise<string>>();

  openControl(_path: string, { answer }: ControlOptions): Promise<ControlEndpoint> {
    this.#answer = answer;
    const close = async (): Promise<void> => {
      this.#answer = null;
      await Promise.all(this.#answering);
    };
    return Promise.resolve({ close });
  }

  /** Null when nobody listens. */
  ask(request: string): Promise<string> | null {
    const answering = this.#answer?.(new TextEncoder().encode(request));
    if (answering === undefined) return null;
    this.#answering.add(answering);
    return answering;
  }
}

export class ControlBench extends StoreBench {
  override readonly fileSystem = new ListeningFileSystem();

  override open(): Promise<Store> {
    const { fileSystem, clock, random } = this;
    return openStore(STORE_PATH, { fileSystem, clock, random });
  }

  /** In the turn in which it is called. @throws as `decodeAnswer` */
  async ask<A, R>(verb: ControlVerb<A, R>, args: A, identity: string): Promise<R> {
    const answering = this.fileSystem.ask(encodeRequest(verb, args, identity));
    return decodeAnswer(verb, await present(answering, 'somebody listens'));
  }

  /** As requests name the directory. */
  async identity(): Promise<string> {
    const { identity } = await this.fileSystem.stat(STORE_PATH);
    return identity;
  }
}

/** Without the bytes between: the arguments and the answer are checked on both sides. */
export async function askChecked<A, R>(store: Store, verb: ControlVerb<A, R>, args: A): Promise<R> {
  const sent: unknown = JSON.parse(JSON.stringify(args));
  const answer = await verb.run(store, verb.args.check('args', sent));
  return verb.answer.check('answer', JSON.parse(JSON.stringify(answer)));
}
