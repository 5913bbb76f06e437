/**
 * Makes the topology of a store what a document says: first as a plan, which changes nothing and can be
 * shown, then step by step.
 */
import { ConflictError, NotFoundError } from '../core/errors.ts';
import type { DestinationInput } from './exchange-options.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';
import type { HeaderConditions, HeaderConditionsInput } from './header-conditions.ts';
import {
  bindingText,
  conditionsOf,
  destinationName,
  type DocumentBinding,
  type DocumentExchange,
  type KnownTopic,
  type TopologyDocument,
} from './topology-document.ts';

/** One step of an import. */
export type ImportStep =
  | { readonly kind: 'add-exchange'; readonly exchange: DocumentExchange }
  | {
      readonly kind: 'set-alternate';
      readonly exchange: string;
      readonly stored: string | null;
      readonly requested: string | null;
    }
  | { readonly kind: 'add-binding'; readonly binding: DocumentBinding }
  | { readonly kind: 'remove-binding'; readonly binding: DocumentBinding }
  /** With its own bindings. */
  | { readonly kind: 'remove-exchange'; readonly exchange: DocumentExchange };

/** What cannot become what the document says. */
export interface ImportConflict {
  readonly exchange: string;
  readonly stored: string;
  readonly requested: string;
}

export interface ImportPlan {
  /** In the order in which they are carried out. */
  readonly steps: readonly ImportStep[];
  /** With any of them nothing is carried out. */
  readonly conflicts: readonly ImportConflict[];
  /** Queues and topics that bindings lead to and that are not there: as with conflicts. */
  readonly missing: readonly { readonly kind: 'queue' | 'topic'; readonly name: string }[];
}

export interface ImportOptions {
  /** Removes what the document does not have; else it is left as it is. Default false. */
  readonly prune?: boolean | undefined;
  readonly topics: readonly KnownTopic[];
}

/**
 * What an import changes.
 *
 * @param wanted  names exchanges that are in it, or, without `prune`, in `stored`
 * @param stored  as `exportTopology` gives it
 */
export function planImport(
  wanted: TopologyDocument,
  stored: TopologyDocument,
  { prune = false, topics }: ImportOptions,
): ImportPlan {
  const storedBindings = byText(stored.bindings);
  const wantedBindings = byText(wanted.bindings);
  const added = wanted.bindings.filter((binding) => !storedBindings.has(bindingText(binding)));
  const wantedNames = new Set(wanted.exchanges.map(({ name }) => name));
  const isKept = ({ exchange }: DocumentBinding): boolean => wantedNames.has(exchange);
  const pruned = stored.bindings.filter((binding) => !wantedBindings.has(bindingText(binding)));
  const prunedExchanges = stored.exchanges.filter(({ name }) => !wantedNames.has(name));
  const removals: ImportStep[] = [
    ...pruned.filter(isKept).map((binding) => ({ kind: 'remove-binding' as const, binding })),
    ...prunedExchanges.map((exchange) => ({ kind: 'remove-exchange' as const, exchange })),
  ];
  return {
    steps: [
      ...exchangeSteps(wanted, stored, prune),
      ...added.map((binding) => ({ kind: 'add-binding' as const, binding })),
      ...(prune ? removals : []),
    ],
    conflicts: [
      ...wanted.exchanges.flatMap((exchange) => conflictsOf(exchange, stored)),
      ...(prune ? wanted.exchanges.flatMap((each) => emptied(each, wanted, stored)) : []),
    ],
    missing: missingOf(added, topics),
  };
}

/**
 * Carries out a plan. Each step is durable before the next; done again after a failure, only what is
 * left is done. What others changed since the plan was made is taken as it is.
 *
 * @throws ConflictError, NotFoundError, before the first step, for what the plan says cannot be done;
 *   as the changes of `ExchangeCatalog`
 */
export async function carryOut(
  { steps, conflicts, missing }: ImportPlan,
  catalog: Pick<ExchangeCatalog, 'open' | 'setAlternate' | 'bind' | 'unbind' | 'delete'>,
): Promise<void> {
  const [conflict] = conflicts;
  if (conflict !== undefined) {
    const { exchange: name, stored, requested } = conflict;
    throw new ConflictError({ kind: 'exchange', name, stored, requested });
  }
  const [absent] = missing;
  if (absent !== undefined) throw new NotFoundError(absent);
  for (const step of steps) {
    // oxlint-disable-next-line no-await-in-loop -- what comes later needs what came before
    await carryOutStep(step, catalog);
  }
}

async function carryOutStep(
  step: ImportStep,
  catalog: Pick<ExchangeCatalog, 'open' | 'setAlternate' | 'bind' | 'unbind' | 'delete'>,
): Promise<void> {
  switch (step.kind) {
    case 'add-exchange': {
      const { name, type, internal, autoDelete } = step.exchange;
      await catalog.open(name, { type, internal, autoDelete });
      return;
    }
    case 'set-alternate':
      await catalog.setAlternate(step.exchange, step.requested);
      return;
    case 'add-binding':
      await catalog.bind(...asGiven(step.binding));
      return;
    case 'remove-binding':
      await catalog.unbind(...asGiven(step.binding)).catch(unlessGone);
      return;
    case 'remove-exchange':
      // It may have gone with its last binding.
      await catalog.delete(step.exchange.name).catch(unlessGone);
  }
}

/** Alternates last: they may be each other's. */
function exchangeSteps(
  wanted: TopologyDocument,
  stored: TopologyDocument,
  prune: boolean,
): ImportStep[] {
  const known = new Map(stored.exchanges.map((exchange) => [exchange.name, exchange]));
  const added = wanted.exchanges.filter(({ name }) => !known.has(name));
  const alternates = wanted.exchanges.flatMap(({ name, alternate: requested }) => {
    const before = known.get(name)?.alternate ?? null;
    const isLeft = requested === before || (requested === null && !prune);
    return isLeft
      ? []
      : [{ kind: 'set-alternate' as const, exchange: name, stored: before, requested }];
  });
  return [...added.map((exchange) => ({ kind: 'add-exchange' as const, exchange })), ...alternates];
}

/** What an exchange is, it stays. */
function conflictsOf(wanted: DocumentExchange, stored: TopologyDocument): ImportConflict[] {
  const { name: exchange } = wanted;
  const found = stored.exchanges.find(({ name }) => name === exchange);
  if (found === undefined) return [];
  return (['type', 'internal', 'autoDelete'] as const)
    .filter((option) => found[option] !== wanted[option])
    .map((option) => ({
      exchange,
      stored: `${option} ${found[option]}`,
      requested: `${option} ${wanted[option]}`,
    }));
}

/** One that would go with its last binding, and shall stay. */
function emptied(
  { name, autoDelete }: DocumentExchange,
  wanted: TopologyDocument,
  stored: TopologyDocument,
): ImportConflict[] {
  const isBound = ({ bindings }: TopologyDocument): boolean =>
    bindings.some(({ exchange }) => exchange === name);
  if (!autoDelete || !isBound(stored) || isBound(wanted)) return [];
  return [
    { exchange: name, stored: 'autoDelete true, with bindings', requested: 'without a binding' },
  ];
}

function missingOf(
  bindings: readonly DocumentBinding[],
  topics: readonly KnownTopic[],
): ImportPlan['missing'] {
  const known = new Set(topics.map(({ name }) => name));
  const missing = new Map<string, 'queue' | 'topic'>();
  for (const { destination } of bindings) {
    const { kind, name } = destinationName(destination);
    if (kind === 'exchange' || known.has(name)) continue;
    missing.set(name, 'queue' in destination ? 'queue' : 'topic');
  }
  return [...missing].map(([name, kind]) => ({ kind, name }));
}

function byText(bindings: readonly DocumentBinding[]): ReadonlyMap<string, DocumentBinding> {
  return new Map(bindings.map((binding) => [bindingText(binding), binding]));
}

/** As `ExchangeCatalog.bind` and `unbind` take it. */
export function asGiven(
  binding: DocumentBinding,
): [string, DestinationInput, string, { readonly headers: HeaderConditionsInput | null }] {
  const { exchange, destination, pattern } = binding;
  return [exchange, destination, pattern, { headers: inputOf(conditionsOf(binding)) }];
}

function inputOf(conditions: HeaderConditions | null): HeaderConditionsInput | null {
  if (conditions === null) return null;
  const values = conditions.conditions.map(({ name, value }) => [name, value] as const);
  return Object.fromEntries([['x-match', conditions.match] as const, ...values]);
}

function unlessGone(error: unknown): void {
  if (!(error instanceof NotFoundError)) throw error;
}
