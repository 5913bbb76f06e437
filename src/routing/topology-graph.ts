/**
 * Draws a topology for Graphviz or Mermaid: exchanges, what they send to whom and by which rule, and
 * dashed, where goes what no binding matches.
 */
import { effectiveConditions, hasOnlyIgnoredConditions } from './header-conditions.ts';
import {
  conditionsOf,
  destinationName,
  type DocumentBinding,
  type DocumentDestination,
  type TopologyDocument,
} from './topology-document.ts';

export const GRAPH_FORMATS = ['dot', 'mermaid'] as const;

export type GraphFormat = (typeof GRAPH_FORMATS)[number];

interface Node {
  /** A letter and a number: names may hold anything. */
  readonly id: string;
  readonly kind: 'exchange' | 'queue' | 'topic';
  /** One below the other. */
  readonly lines: readonly string[];
}

interface Edge {
  readonly from: string;
  readonly to: string;
  /** Null = there is nothing to say. */
  readonly label: string | null;
  readonly isAlternate: boolean;
}

interface Graph {
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

/** The text of a drawing. Any name, pattern or header is shown as it is, but for control characters. */
export function graphOf(document: TopologyDocument, format: GraphFormat): string {
  const graph = drawn(document);
  return format === 'dot' ? dotOf(graph) : mermaidOf(graph);
}

function drawn({ exchanges, bindings }: TopologyDocument): Graph {
  const nodes = new Map<string, Node>();
  const nodeOf = (kind: Node['kind'], name: string, details: readonly string[] = []): string => {
    const key = `${kind === 'exchange' ? 'exchange' : 'topic'} ${name}`;
    const node = nodes.get(key) ?? { id: `n${nodes.size}`, kind, lines: [name, ...details] };
    nodes.set(key, node);
    return node.id;
  };
  for (const { name, type, internal, autoDelete } of exchanges) {
    const notes = [type, ...(internal ? ['internal'] : []), ...(autoDelete ? ['auto-delete'] : [])];
    nodeOf('exchange', name, [`(${notes.join(', ')})`]);
  }
  const typeOf = new Map(exchanges.map(({ name, type }) => [name, type]));
  const edges = bindings.map((binding) => ({
    from: nodeOf('exchange', binding.exchange),
    to: nodeOf(kindOf(binding.destination), destinationName(binding.destination).name),
    label: labelOf(binding, typeOf.get(binding.exchange)),
    isAlternate: false,
  }));
  const alternates = exchanges.flatMap(({ name, alternate }) => {
    if (alternate === null) return [];
    const [from, to] = [nodeOf('exchange', name), nodeOf('exchange', alternate)];
    return [{ from, to, label: 'alternate', isAlternate: true }];
  });
  return { nodes: [...nodes.values()], edges: [...edges, ...alternates] };
}

function kindOf(destination: DocumentDestination): Node['kind'] {
  if ('exchange' in destination) return 'exchange';
  return 'queue' in destination ? 'queue' : 'topic';
}

/** The rule of a binding, as far as its exchange looks at it. */
function labelOf(binding: DocumentBinding, type: string | undefined): string | null {
  if (type === 'fanout') return null;
  if (type !== 'headers') return binding.pattern === '' ? '(empty)' : binding.pattern;
  const conditions = conditionsOf(binding);
  if (conditions === null) return 'all';
  const asked = effectiveConditions(conditions).map(({ name, value }) => {
    if (value === null) return name;
    const shown = binding.headers?.[name];
    return `${name} = ${typeof shown === 'string' ? shown : `0x${hexOf(value)}`}`;
  });
  const none = hasOnlyIgnoredConditions(conditions) ? ': none counts' : '';
  return asked.length === 0 ? conditions.match + none : `${conditions.match}: ${asked.join(', ')}`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const DOT_SHAPES = { exchange: 'box', queue: 'cylinder', topic: 'note' } as const;

function dotOf({ nodes, edges }: Graph): string {
  const lines = [
    ...nodes.map(
      ({ id, kind, lines: shown }) => `  ${id} [shape=${DOT_SHAPES[kind]}, label=${inDot(shown)}];`,
    ),
    ...edges.map(({ from, to, label, isAlternate }) => {
      const attributes = [
        ...(label === null ? [] : [`label=${inDot([label])}`]),
        ...(isAlternate ? ['style=dashed'] : []),
      ];
      const list = attributes.length === 0 ? '' : ` [${attributes.join(', ')}]`;
      return `  ${from} -> ${to}${list};`;
    }),
  ];
  return ['digraph topology {', '  rankdir=LR;', ...lines, '}', ''].join('\n');
}

/** A backslash begins what labels mean something by, and `&` an entity. */
function inDot(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    visible(line).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('&', '&amp;'),
  );
  return `"${escaped.join('\\n')}"`;
}

const MERMAID_SHAPES = {
  exchange: ['{{', '}}'],
  queue: ['[(', ')]'],
  topic: ['[/', '/]'],
} as const;

function mermaidOf({ nodes, edges }: Graph): string {
  const lines = [
    ...nodes.map(({ id, kind, lines: shown }) => {
      const [open, close] = MERMAID_SHAPES[kind];
      return `  ${id}${open}${inMermaid(shown)}${close}`;
    }),
    ...edges.map(({ from, to, label, isAlternate }) => {
      const text = label === null ? '' : `|${inMermaid([label])}|`;
      return `  ${from} ${isAlternate ? '-.->' : '-->'}${text} ${to}`;
    }),
  ];
  return ['flowchart LR', ...lines, ''].join('\n');
}

/**
 * Whatever may mean something to Mermaid, to the Markdown in it or to a browser stands as an entity;
 * dots and dashes do only where nothing of the word follows, as in the list item `1. one`.
 */
const MERMAID_PLAIN = /[\p{L}\p{M}\p{N}_ ]|[.-](?=[\p{L}\p{N}])/u;

function inMermaid(lines: readonly string[]): string {
  const escaped = lines.map((line) => {
    const shown = visible(line);
    return shown.replaceAll(/[^\p{L}\p{M}\p{N}_ ]/gu, (character, at: number) =>
      MERMAID_PLAIN.exec(shown.slice(at, at + 3))?.index === 0
        ? character
        : `#${character.codePointAt(0)};`,
    );
  });
  return `"${escaped.join('<br/>')}"`;
}

/** Of the pictures for control characters. */
const PICTURES = 0x2400;
const PICTURE_OF_DELETE = 0x2421;
const DELETE = 0x7f;
const NOT_SHOWN = '\ufffd';

/** With a picture for each control character, so that no line is broken by what is shown. */
function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}]/gu, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCodePoint(PICTURES + code);
    return code === DELETE ? String.fromCodePoint(PICTURE_OF_DELETE) : NOT_SHOWN;
  });
}
