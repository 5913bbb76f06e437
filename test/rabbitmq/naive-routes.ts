/**
 * RabbitMQ's rules of routing, written as plainly as they can be said: every binding is looked at.
 *
 * It is held to RabbitMQ itself, like the engine's own. With a flaw it breaks one rule, to show that
 * the topologies and records that are compared would tell.
 */
import {
  bindingId,
  type Binding,
  type BindingArguments,
  type Change,
  type Exchange,
  type HeaderValue,
  type Publish,
  type RecordHeaders,
  type RouteUnderTest,
  type Topology,
} from './topology.ts';

export const FLAWS = [
  '# is one or more words',
  '* is any word or none',
  'an empty key is one empty word',
  'empty words do not count',
  'x-match is any when it is missing',
  'any of nothing matches',
  'all of nothing does not match',
  'keys with x- always count',
  'keys with x- never count',
  'x-match counts when keys with x- do',
  'a void value is compared',
  'text and bytes are never equal',
  'the arguments are no part of a binding',
  'the key is no part of a binding',
  'exchanges are not followed further than one',
  'no alternate after another',
  'an alternate gets what reached no queue',
  'an alternate gets everything',
  'only the first exchange has an alternate',
  'CC is no key',
  'BCC is no key',
  'further keys count in the first exchange alone',
  'an alternate gets what one of the keys did not match',
] as const;
export type Flaw = (typeof FLAWS)[number];

export class NaiveRoutes implements RouteUnderTest {
  readonly #flaw: Flaw | null;
  readonly #exchanges = new Map<string, Exchange>();
  readonly #bindings = new Map<string, Binding>();

  constructor(flaw: Flaw | null = null) {
    this.#flaw = flaw;
  }

  declare({ exchanges }: Pick<Topology, 'exchanges' | 'queues'>): void {
    for (const exchange of exchanges) this.#exchanges.set(exchange.name, exchange);
  }

  change({ kind, binding }: Change): void {
    const type = this.#exchanges.get(binding.source)?.type;
    const isKeyless = type === 'fanout' || type === 'headers';
    let { key, arguments: given } = binding;
    if (this.#flaw === 'the arguments are no part of a binding') given = {};
    if (this.#flaw === 'the key is no part of a binding' && isKeyless) key = '';
    const id = bindingId({ ...binding, key, arguments: given });
    if (kind === 'bind') this.#bindings.set(id, binding);
    else this.#bindings.delete(id);
  }

  /** Goes over the whole graph, each exchange once. */
  route({ exchange, key, cc, bcc, headers }: Publish): ReadonlySet<string> {
    const queues = new Set<string>();
    const seen = new Set([exchange]);
    const keys = [
      key,
      ...(this.#flaw === 'CC is no key' ? [] : cc),
      ...(this.#flaw === 'BCC is no key' ? [] : bcc),
    ];
    const waiting = [{ name: exchange, depth: 0, isAlternate: false }];
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { name, depth } = next;
      const isAlone =
        this.#flaw === 'further keys count in the first exchange alone' && name !== exchange;
      const counted = isAlone ? [key] : keys;
      const byKey = counted.map((each) => this.#matching(name, each, headers));
      const matching = byKey.flat();
      for (const { destination, destinationKind } of matching) {
        if (destinationKind === 'queue') queues.add(destination);
        else if (!seen.has(destination) && this.#isFollowed(depth)) {
          seen.add(destination);
          waiting.push({ name: destination, depth: depth + 1, isAlternate: false });
        }
      }
      const alternate = this.#exchanges.get(name)?.alternate ?? null;
      const hasMissed =
        this.#flaw === 'an alternate gets what one of the keys did not match' &&
        byKey.some((found) => found.length === 0);
      const isWanted = hasMissed || this.#isAlternateWanted(matching, queues, next);
      if (alternate === null || !isWanted || seen.has(alternate)) continue;
      seen.add(alternate);
      waiting.push({ name: alternate, depth, isAlternate: true });
    }
    return queues;
  }

  #isFollowed(depth: number): boolean {
    return this.#flaw !== 'exchanges are not followed further than one' || depth === 0;
  }

  #isAlternateWanted(
    matching: readonly Binding[],
    queues: ReadonlySet<string>,
    from: { readonly depth: number; readonly isAlternate: boolean },
  ): boolean {
    const isUnmatched = matching.length === 0;
    if (this.#flaw === 'an alternate gets everything') return true;
    if (this.#flaw === 'an alternate gets what reached no queue') return queues.size === 0;
    if (this.#flaw === 'no alternate after another') return isUnmatched && !from.isAlternate;
    if (this.#flaw === 'only the first exchange has an alternate') {
      return isUnmatched && from.depth === 0;
    }
    return isUnmatched;
  }

  #matching(source: string, key: string, headers: RecordHeaders): Binding[] {
    const type = this.#exchanges.get(source)?.type;
    return [...this.#bindings.values()].filter((binding) => {
      if (binding.source !== source) return false;
      if (type === 'fanout') return true;
      if (type === 'direct') return binding.key === key;
      if (type === 'topic') return this.#matchesPattern(binding.key, key);
      return this.#matchesHeaders(binding.arguments, headers);
    });
  }

  #matchesPattern(pattern: string, key: string): boolean {
    return this.#matchesWords(this.#wordsOf(pattern), this.#wordsOf(key));
  }

  /** No word at all in an empty key; else one more word than there are dots. */
  #wordsOf(key: string): string[] {
    if (this.#flaw === 'empty words do not count') return key.split('.').filter((w) => w !== '');
    if (this.#flaw !== 'an empty key is one empty word' && key === '') return [];
    return key.split('.');
  }

  #matchesWords(pattern: readonly string[], words: readonly string[]): boolean {
    const [first, ...others] = pattern;
    if (first === undefined) return words.length === 0;
    if (first === '#') {
      const least = this.#flaw === '# is one or more words' ? 1 : 0;
      for (let taken = least; taken <= words.length; taken++) {
        if (this.#matchesWords(others, words.slice(taken))) return true;
      }
      return false;
    }
    if (first === '*' && this.#flaw === '* is any word or none') {
      if (this.#matchesWords(others, words)) return true;
    }
    if (words.length === 0 || (first !== '*' && first !== words[0])) return false;
    return this.#matchesWords(others, words.slice(1));
  }

  #matchesHeaders(wanted: BindingArguments, headers: RecordHeaders): boolean {
    const whenMissing = this.#flaw === 'x-match is any when it is missing' ? 'any' : 'all';
    const match = wanted['x-match'] ?? whenMissing;
    const isAny = match === 'any' || match === 'any-with-x';
    const counted = Object.entries(wanted).filter(([name]) => this.#counts(name, String(match)));
    if (counted.length === 0 && isAny) return this.#flaw === 'any of nothing matches';
    if (counted.length === 0) return this.#flaw !== 'all of nothing does not match';
    const matches = ([name, value]: [string, HeaderValue | null]) =>
      this.#matchesValue(value, headers[name]);
    return isAny ? counted.some(matches) : counted.every(matches);
  }

  #counts(name: string, match: string): boolean {
    const withX = match.endsWith('-with-x');
    if (name === 'x-match') return this.#flaw === 'x-match counts when keys with x- do' && withX;
    if (!name.startsWith('x-')) return true;
    if (this.#flaw === 'keys with x- always count') return true;
    return this.#flaw !== 'keys with x- never count' && withX;
  }

  #matchesValue(wanted: HeaderValue | null, found: HeaderValue | undefined): boolean {
    if (found === undefined) return false;
    if (wanted === null) return this.#flaw !== 'a void value is compared';
    if (this.#flaw === 'text and bytes are never equal' && typeof wanted !== typeof found) {
      return false;
    }
    return Buffer.from(wanted as string).equals(Buffer.from(found as string));
  }
}
