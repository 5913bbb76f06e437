/** Which exchange a verb is about, and its bindings by names. */
import type { Store } from '../src/index.ts';
import { meantBy } from '../src/core/options.ts';
import type { Binding } from '../src/routing/binding.ts';
import { checkExchangeName } from '../src/routing/exchange-name.ts';
import type { ExchangeDescription } from '../src/routing/exchange-catalog.ts';
import {
  bindingNamer,
  bindingText,
  destinationName,
  type DocumentBinding,
  type DocumentDestination,
} from '../src/routing/topology-document.ts';
import { knownTopics } from '../src/store/store-topology.ts';
import { bindingLine } from './binding-text.ts';
import { CommandError } from './command-error.ts';
import { ExitCode } from './exit-codes.ts';
import { lookAtStore } from './store-access.ts';

export const EXCHANGE_ARGUMENT = { description: 'the name of the exchange' };

/** @throws CommandError (exit code 3), with the one that was perhaps meant; ConflictError for `''` */
export function findExchange(store: Store, name: string): ExchangeDescription {
  const exchanges = store.exchanges();
  checkExchangeName('exchange', name);
  const found = exchanges.find((exchange) => exchange.name === name);
  if (found !== undefined) return found;
  const names = exchanges.map((exchange) => exchange.name);
  throw new CommandError(
    ExitCode.notFound,
    `there is no exchange ${name} in ${store.path}`,
    hintOf(name, names, {
      lists: 'varve exchanges ls <store> lists them',
      isTopic: store.topics().some((topic) => topic.name === name)
        ? `${name} is a queue or a topic; varve exchanges ls <store> lists the exchanges`
        : null,
    }),
  );
}

/** @throws CommandError (exit code 3) unless a binding may lead there */
export function checkDestination(store: Store, destination: DocumentDestination): void {
  const { kind, name } = destinationName(destination);
  if (kind === 'exchange') return void findExchange(store, name);
  const names = knownTopics(store).map((topic) => topic.name);
  if (names.includes(name)) return;
  const isExchange = store.exchanges().some((exchange) => exchange.name === name);
  throw new CommandError(
    ExitCode.notFound,
    `there is no queue or topic ${name} in ${store.path}`,
    isExchange
      ? `${name} is an exchange: say so with --to-exchange`
      : hintOf(name, names, {
          lists: 'varve queue create and varve topics create make one',
          isTopic: null,
        }),
  );
}

/** @param destination  name of a queue or a topic @throws CommandError (exit code 3) unless both are there */
export async function checkSendsTo(
  path: string,
  exchange: string,
  destination: string,
): Promise<void> {
  await lookAtStore(path, async (store) => {
    findExchange(store, exchange);
    checkDestination(store, { topic: destination });
  });
}

interface Hints {
  readonly lists: string;
  readonly isTopic: string | null;
}

function hintOf(name: string, names: readonly string[], { lists, isTopic }: Hints): string {
  if (isTopic !== null) return isTopic;
  const meant = meantBy(name, names);
  return meant === null ? lists : `did you mean ${meant}? ${lists}`;
}

/** A queue or a topic by what it is; else as it is called. */
export function destinationNamed(
  store: Store,
  name: string,
  isExchange: boolean,
): DocumentDestination {
  if (isExchange) return { exchange: name };
  const isQueue = knownTopics(store).some((topic) => topic.name === name && topic.isQueue);
  return isQueue ? { queue: name } : { topic: name };
}

/** The binding of an exchange that is there, as it is stored; null = there is none like it. */
export function findBinding(store: Store, wanted: DocumentBinding): Binding | null {
  const { exchangeCatalog } = store;
  const text = bindingText(wanted);
  const named = bindingNamer(exchangeCatalog.list(), knownTopics(store));
  const isWanted = (binding: Binding): boolean => {
    const document = named(binding);
    return document !== null && bindingText(document) === text;
  };
  return exchangeCatalog.bindings(wanted.exchange).find(isWanted) ?? null;
}

/** @throws CommandError (exit code 3) unless the binding is among those there are */
export function checkBound(wanted: DocumentBinding, bindings: readonly DocumentBinding[]): void {
  const text = bindingText(wanted);
  if (!bindings.some((each) => bindingText(each) === text)) throw notBound(wanted, bindings);
}

/** Names the bindings between the same two. */
export function notBound(
  binding: DocumentBinding,
  bindings: readonly DocumentBinding[],
): CommandError {
  const isSameWay = (each: DocumentBinding): boolean =>
    bindingText({ ...each, pattern: '', headers: {} }) ===
    bindingText({ ...binding, pattern: '', headers: {} });
  const others = bindings.filter(isSameWay).map((each) => bindingLine(each));
  return new CommandError(
    ExitCode.notFound,
    `there is no binding ${bindingLine(binding)}`,
    others.length > 0 ? `there is ${others.join('; ')}` : 'varve bindings ls <store> lists them',
  );
}
