import { describe, expect, test } from 'vitest';

import { checkTopologyDocument } from '../../../src/routing/topology-document.ts';
import { graphOf } from '../../../src/routing/topology-graph.ts';

const DOCUMENT = checkTopologyDocument({
  exchanges: [
    { name: 'flights', type: 'topic', alternate: 'lost' },
    { name: 'by-delay', type: 'headers', internal: true, autoDelete: true },
    { name: 'lost', type: 'fanout' },
  ],
  bindings: [
    { exchange: 'lost', destination: { topic: 'rest' } },
    { exchange: 'flights', destination: { exchange: 'by-delay' }, pattern: 'flight.#' },
    { exchange: 'flights', destination: { queue: 'schiphol' }, pattern: '' },
    {
      exchange: 'by-delay',
      destination: { queue: 'late' },
      headers: { 'x-match': 'any', delay: 'high', raw: { base64: '/w==' }, there: null },
    },
    { exchange: 'by-delay', destination: { queue: 'none' }, headers: { 'x-one': '1' } },
    { exchange: 'by-delay', destination: { queue: 'all' } },
  ],
});

/** What must not break a drawing, as the name of anything. */
const NAMES = [
  'plain',
  'a "quoted" one',
  'back\\slash\\',
  '\\',
  '\\"',
  '"];n0 -> n1;"',
  '<b>bold</b>',
  '&lt; &amp;',
  '#quot; #35;',
  '[a](b) {c} |d|',
  '`code` **bold** *',
  '1. one',
  '- one',
  'end',
  '%% comment',
  '日本 é 👍🏽',
  'a -->|x| b',
  'style a:b#c;',
];
/** Patterns may have more than names. */
const PATTERNS = [...NAMES, 'two\nlines', 'tab\tnul\u0000', '\u007f\u2028\u0085', '*.#', '.'];

/** As Graphviz reads it: tokens by its lexer, statements by its grammar, labels by its escapes. */
class DotReader {
  readonly nodes = new Map<string, Record<string, string>>();
  readonly edges: { from: string; to: string; attributes: Record<string, string> }[] = [];
  readonly #tokens: string[];

  constructor(text: string) {
    const token = /\s*(?:("(?:[^"\\]|\\[^])*")|(->|[{}[\];,=])|([A-Za-z_][\w]*))/uy;
    this.#tokens = [];
    while (/\S/u.test(text.slice(token.lastIndex))) {
      const at = token.lastIndex;
      const found = token.exec(text);
      if (found === null) throw new Error(`no token at ${JSON.stringify(text.slice(at, at + 20))}`);
      this.#tokens.push(found[1] ?? found[2] ?? found[3] ?? '');
    }
    this.#take('digraph');
    this.#take('topology');
    this.#take('{');
    while (this.#tokens[0] !== '}') this.#statement();
    this.#take('}');
    expect(this.#tokens).toEqual([]);
  }

  #statement(): void {
    const id = this.#id();
    if (this.#tokens[0] === '=') {
      this.#take('=');
      this.#id();
    } else if (this.#tokens[0] === '->') {
      this.#take('->');
      const to = this.#id();
      this.edges.push({ from: id, to, attributes: this.#attributes() });
    } else {
      this.nodes.set(id, this.#attributes());
    }
    this.#take(';');
  }

  #attributes(): Record<string, string> {
    const attributes: Record<string, string> = {};
    if (this.#tokens[0] !== '[') return attributes;
    this.#take('[');
    while (this.#tokens.length > 0) {
      const name = this.#id();
      this.#take('=');
      attributes[name] = this.#tokens.shift() ?? '';
      const next = this.#tokens.shift();
      if (next === ']') return attributes;
      expect(next).toBe(',');
    }
    throw new Error('a list of attributes has no end');
  }

  #id(): string {
    const id = this.#tokens.shift() ?? '';
    expect(id).toMatch(/^[a-z_]\w*$/iu);
    return id;
  }

  #take(token: string): void {
    expect(this.#tokens.shift()).toBe(token);
  }
}

/** What is shown: in a string only `\"` is one, in a label `\\`, `\n` and entities are. */
function dotLabel(quoted = '""'): string[] {
  const string = quoted.slice(1, -1).replaceAll('\\"', '"');
  const lines = [''];
  for (const [part] of string.matchAll(/\\[^]|&(?:amp|lt|gt|quot|#\d+);|[^]/gu)) {
    if (part === '\\n') lines.push('');
    else if (part.startsWith('\\')) lines.push(`${lines.pop()}${part === '\\\\' ? '\\' : '?'}`);
    else
      lines.push(`${lines.pop()}${part.length > 1 && part.startsWith('&') ? entity(part) : part}`);
  }
  return lines;
}

const entity = (text: string) =>
  ({ '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' })[text] ?? '?';

/** One line of a flowchart: the id of a node with its shape and label, or an edge with its label. */
const MERMAID_NODE = /^ {2}(n\d+)(\{\{|\[\(|\[\/)"([^"]*)"(\}\}|\)\]|\/\])$/u;
const MERMAID_EDGE = /^ {2}(n\d+) (-->|-\.->)(?:\|"([^"]*)"\|)? (n\d+)$/u;

function mermaidLabel(label: string): string[] {
  // Nothing that Markdown, HTML or an entity of Mermaid's could be made of is left.
  const plain = label.replaceAll(/#\d+;|<br\/>/gu, '');
  expect(plain).not.toMatch(/[^\p{L}\p{M}\p{N}_ .-]|[.-](?![\p{L}\p{N}])/u);
  return label
    .split('<br/>')
    .map((line) => line.replaceAll(/#(\d+);/gu, (_, code) => String.fromCodePoint(Number(code))));
}

/** With the pictures of control characters. */
const shown = (text: string) =>
  text
    .replaceAll('\n', '\u240a')
    .replaceAll('\t', '\u2409')
    .replaceAll('\u0000', '\u2400')
    .replaceAll('\u007f', '\u2421')
    .replaceAll(/[\u2028\u0085]/gu, '\ufffd');

const STRANGE = checkTopologyDocument({
  exchanges: NAMES.map((name, at) => ({ name, type: 'topic', alternate: NAMES[at - 1] ?? null })),
  bindings: PATTERNS.map((pattern, at) => ({
    exchange: NAMES[at % NAMES.length],
    destination: at % 2 === 0 ? { queue: `q ${NAMES[at % NAMES.length]}` } : { topic: `t ${at}` },
    pattern,
  })),
});

describe('the drawing of a topology', () => {
  test('is a graph for Graphviz', () => {
    expect(graphOf(DOCUMENT, 'dot')).toBe(`digraph topology {
  rankdir=LR;
  n0 [shape=box, label="by-delay\\n(headers, internal, auto-delete)"];
  n1 [shape=box, label="flights\\n(topic)"];
  n2 [shape=box, label="lost\\n(fanout)"];
  n3 [shape=cylinder, label="all"];
  n4 [shape=cylinder, label="late"];
  n5 [shape=cylinder, label="none"];
  n6 [shape=cylinder, label="schiphol"];
  n7 [shape=note, label="rest"];
  n0 -> n3 [label="all"];
  n0 -> n4 [label="any: delay = high, raw = 0xff, there"];
  n0 -> n5 [label="all: none counts"];
  n1 -> n0 [label="flight.#"];
  n1 -> n6 [label="(empty)"];
  n2 -> n7;
  n1 -> n2 [label="alternate", style=dashed];
}
`);
  });

  test('is a flowchart for Mermaid', () => {
    expect(graphOf(DOCUMENT, 'mermaid')).toBe(`flowchart LR
  n0{{"by-delay<br/>#40;headers#44; internal#44; auto-delete#41;"}}
  n1{{"flights<br/>#40;topic#41;"}}
  n2{{"lost<br/>#40;fanout#41;"}}
  n3[("all")]
  n4[("late")]
  n5[("none")]
  n6[("schiphol")]
  n7[/"rest"/]
  n0 -->|"all"| n3
  n0 -->|"any#58; delay #61; high#44; raw #61; 0xff#44; there"| n4
  n0 -->|"all#58; none counts"| n5
  n1 -->|"flight#46;#35;"| n0
  n1 -->|"#40;empty#41;"| n6
  n2 --> n7
  n1 -.->|"alternate"| n2
`);
  });

  test('is nothing but its frame for nothing', () => {
    const empty = checkTopologyDocument({});
    expect(graphOf(empty, 'dot')).toBe('digraph topology {\n  rankdir=LR;\n}\n');
    expect(graphOf(empty, 'mermaid')).toBe('flowchart LR\n');
  });

  test('shows any name and pattern in Graphviz as it is', () => {
    const { nodes, edges } = new DotReader(graphOf(STRANGE, 'dot'));
    const names = [...nodes.values()].map(({ label }) => dotLabel(label)[0]);
    expect(names).toEqual(expect.arrayContaining(NAMES));
    expect(nodes.size).toBe(NAMES.length + STRANGE.bindings.length - doubles());
    const patterns = edges.flatMap(({ attributes }) =>
      attributes['style'] === 'dashed' ? [] : [dotLabel(attributes['label']).join('\n')],
    );
    expect(patterns.sort()).toEqual(PATTERNS.map(shown).sort());
    expect(edges).toHaveLength(PATTERNS.length + NAMES.length - 1);
  });

  test('shows any name and pattern in Mermaid as it is', () => {
    const lines = graphOf(STRANGE, 'mermaid').trimEnd().split('\n').slice(1);
    const nodes = lines.flatMap((line) => MERMAID_NODE.exec(line)?.[3] ?? []);
    const edges = lines
      .flatMap((line) => MERMAID_EDGE.exec(line) ?? [])
      .filter((part) => part === '-->');
    expect(lines.filter((line) => !MERMAID_NODE.test(line) && !MERMAID_EDGE.test(line))).toEqual(
      [],
    );
    expect(nodes.map((label) => mermaidLabel(label)[0])).toEqual(expect.arrayContaining(NAMES));
    expect(edges).toHaveLength(PATTERNS.length);
    const patterns = lines.flatMap((line) => {
      const [, , arrow, label] = MERMAID_EDGE.exec(line) ?? [];
      return arrow === '-->' ? [mermaidLabel(label ?? '').join('\n')] : [];
    });
    expect(patterns.sort()).toEqual(PATTERNS.map(shown).sort());
  });
});

/** Bindings whose destination another has too. */
function doubles(): number {
  const all = STRANGE.bindings.map(({ destination }) => JSON.stringify(destination));
  return all.length - new Set(all).size;
}
