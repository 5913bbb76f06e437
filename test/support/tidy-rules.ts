/** The rules that `test/tidy.test.ts` holds every source file to. Pure: text in, complaints out. */
import { posix } from 'node:path';

/** A folder of src imports from itself and from these. Siblings never import each other. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  io: ['core'],
  codec: ['core'],
  format: ['core'],
  segment: ['core', 'io', 'format'],
  log: ['core', 'io', 'codec', 'format', 'segment'],
  journal: ['core', 'io', 'codec', 'format', 'segment', 'log'],
  topic: ['core', 'codec', 'format', 'log', 'journal'],
  transaction: ['core', 'codec', 'format', 'log', 'journal', 'topic'],
  group: ['core', 'codec', 'format', 'log', 'journal', 'topic', 'transaction'],
  queue: ['core', 'codec', 'format', 'log', 'journal', 'topic', 'transaction'],
  routing: ['core', 'codec', 'format', 'log', 'journal', 'topic', 'transaction'],
  store: [
    'core',
    'io',
    'codec',
    'format',
    'segment',
    'log',
    'journal',
    'topic',
    'transaction',
    'group',
    'queue',
    'routing',
  ],
};
const TOOLS_MAY_IMPORT = ['src', 'bench', 'tools'];
const FILE_LINES_MAX = 400;
/** Imports the job that its command line names. */
const LOADER = 'bench/core/worker.ts';

const OUTSIDE = ['fs', 'fs/promises', 'net', 'dgram', 'tls', 'http', 'https', 'http2', 'dns'];
const PROCESSES = ['child_process', 'worker_threads', 'cluster', 'module'];
const TIME = ['timers', 'timers/promises', 'perf_hooks'];
const CHANCE = ['crypto'];
const TIME_GLOBALS = [
  /\bDate\s*(?:\??\.\s*|\[\s*['"`])now\b/,
  /\bnew Date\b(?!\s*\(\s*[^\s)])/,
  /(?<!new )(?<![.#\w])Date\(/,
  /(?<![.#\w])performance\s*[.[]/,
  /\bprocess\.(?:hrtime|uptime)\b/,
  /(?:(?<![.#\w])|\bglobalThis\.)set(?:Timeout|Interval|Immediate)\b/,
  /\bAbortSignal\.timeout\b/,
];
const CHANCE_GLOBALS = [
  /\bMath\s*(?:\??\.\s*|\[\s*['"`])random\b/,
  /(?:(?<![.#\w])|\bglobalThis\.)crypto\s*[.[]/,
];

const IMPORT = /(?:\bfrom|\bimport|\brequire)\s*\(?\s*(['"`])((?:(?!\1).)+)\1/g;
const COMPUTED_IMPORT = /\bimport\s*\(\s*(?:[^'"`\s]|`[^`]*\$\{|(['"`])(?:(?!\1).)*\1\s*\+)/;
const REEXPORT = /^export (?:type )?\{[^}]*\} from '[^']+';$/gm;

/** Every complaint about one file; `path` is relative to the repository, with forward slashes. */
export function complaintsAbout(path: string, source: string): string[] {
  const code = withoutComments(source);
  const imports = [...code.matchAll(IMPORT)].map((match) => match[2] ?? '');
  return [
    ...sizeComplaints(source),
    ...exportComplaints(path, code),
    ...(path !== LOADER && COMPUTED_IMPORT.test(code)
      ? ['import() of a computed path hides a dependency']
      : []),
    ...imports.flatMap((target) => layerComplaints(path, target)),
    ...seamComplaints(path, code, imports),
  ].map((complaint) => `${path}: ${complaint}`);
}

function sizeComplaints(source: string): string[] {
  const lineCount = source.replace(/\n$/, '').split('\n').length;
  return lineCount <= FILE_LINES_MAX ? [] : [`${lineCount} lines, at most ${FILE_LINES_MAX}`];
}

function exportComplaints(path: string, code: string): string[] {
  const complaints: string[] = [];
  if (/^\s*export\s+default\b|\bas\s+default\b/m.test(code)) complaints.push('default export');
  if (/^\s*export\s+(?:type\s+)?\*/m.test(code)) complaints.push('export *');
  if (path === 'src/index.ts' && code.replaceAll(REEXPORT, '').trim() !== '') {
    complaints.push('the public API is a list of named re-exports, nothing else');
  }
  return complaints;
}

function layerComplaints(path: string, target: string): string[] {
  if (!target.startsWith('.')) return [];
  const [top = '', layer = '', ...rest] = path.split('/');
  const [otherTop = '', otherLayer = ''] = posix.join(posix.dirname(path), target).split('/');
  if (top === 'tools') return TOOLS_MAY_IMPORT.includes(otherTop) ? [] : [`imports ${target}`];
  if (top === 'bench') {
    const isHelper = otherTop === 'tools' && /^(?!cli|program)[\w-]+\.ts$/.test(otherLayer);
    return isHelper || ['src', 'bench'].includes(otherTop) ? [] : [`imports ${target}`];
  }
  if (top !== 'src') return [];
  if (otherTop !== 'src') return [`imports ${target}, outside src`];
  if (rest.length === 0) return layer === 'index.ts' ? [] : ['only index.ts lies directly in src'];
  const allowed = MAY_IMPORT[layer] ?? [];
  return [layer, ...allowed].includes(otherLayer) ? [] : [`imports ${target}`];
}

/** Disk, network, clocks, timers and chance come in through the seams, or a simulation is not one. */
function seamComplaints(path: string, code: string, imports: readonly string[]): string[] {
  const [top = '', layer = '', ...rest] = path.split('/');
  if (top !== 'src') return [];
  if (rest.length > 0 && MAY_IMPORT[layer] === undefined) return [`unknown layer ${layer}`];
  if (layer === 'io') return [];
  const mayTime = path === 'src/core/clock.ts';
  const mayChance = ['src/core/random.ts', 'src/core/hash.ts'].includes(path);
  const mayLoad = path === 'src/core/addons.ts';
  const modules = [
    ...OUTSIDE,
    ...PROCESSES,
    ...(mayTime ? [] : TIME),
    ...(mayChance ? [] : CHANCE),
  ];
  const globals = [...(mayTime ? [] : TIME_GLOBALS), ...(mayChance ? [] : CHANCE_GLOBALS)];
  return [
    ...imports
      .map((target) => target.replace(/^node:/, ''))
      .filter((target) => modules.includes(target) && !(mayLoad && target === 'module')),
    ...globals.flatMap((pattern) => pattern.exec(code)?.[0] ?? []),
  ].map((what) => `${what} belongs behind a seam`);
}

/** Drops comments as prettier writes them; a doubtful line stays in and is checked. */
function withoutComments(source: string): string {
  return source
    .replaceAll(/^\s*(?:\/\/.*|\/\*(?:(?!\*\/).)*(?:\*\/)?|\*(?: .*|\/)?)$/gm, '')
    .replaceAll(/ \/\/ [^'"`\n]*$/gm, '');
}
