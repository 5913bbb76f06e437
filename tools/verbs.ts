/** Verbs of one word, by what help lists of each; its module is loaded when it is used. */
import { listVerb as verb, type ListedVerb } from './command.ts';

export const VERBS: readonly ListedVerb[] = [
  verb(
    'append',
    '<dir>',
    'store stdin, one record per line',
    async () => (await import('./commands/append.ts')).appendVerb,
  ),
  verb(
    'bench',
    '[dir]',
    'measure the log beside what this machine can do',
    async () => (await import('./commands/bench.ts')).benchVerb,
  ),
  verb('cat', '<dir>', 'print records', async () => (await import('./commands/cat.ts')).catVerb),
  verb(
    'compact',
    '<dir> [topic]',
    'keep the last record of each key; a dry run unless --yes',
    async () => (await import('./commands/compact.ts')).compactVerb,
  ),
  verb(
    'delete-records',
    '<dir> [topic]',
    'delete records below an offset; a dry run unless --yes',
    async () => (await import('./commands/delete-records.ts')).deleteRecordsVerb,
  ),
  verb(
    'dump',
    '<path>',
    'print batches and their headers',
    async () => (await import('./commands/dump.ts')).dumpVerb,
  ),
  verb(
    'export',
    '<dir>',
    'records as JSON lines with a checksum, for import',
    async () => (await import('./commands/export.ts')).exportVerb,
  ),
  verb(
    'import',
    '<dir> [file]',
    'records of an export into a log',
    async () => (await import('./commands/import.ts')).importVerb,
  ),
  verb(
    'info',
    '<dir>',
    'what a log or a store holds and who writes to it',
    async () => (await import('./commands/info.ts')).infoVerb,
  ),
  verb(
    'ls',
    '<dir>',
    'list the logs below a directory',
    async () => (await import('./commands/ls.ts')).lsVerb,
  ),
  verb(
    'repair',
    '<dir>',
    'say what damage costs; with --yes replace it by gaps',
    async () => (await import('./commands/repair.ts')).repairVerb,
  ),
  verb(
    'tail',
    '<dir>',
    'print the last records, and follow',
    async () => (await import('./commands/tail.ts')).tailVerb,
  ),
  verb(
    'verify',
    '<dir>',
    'check every byte; exit code 4 when some are damaged',
    async () => (await import('./commands/verify.ts')).verifyVerb,
  ),
  verb(
    'stats',
    '<store>',
    'how much a store holds, how it is, and who has it open',
    async () => (await import('./commands/stats.ts')).statsVerb,
  ),
  verb(
    'publish',
    '<store> <exchange> [values...]',
    'publish records to an exchange: values, or stdin line by line',
    async () => (await import('./commands/publish.ts')).publishVerb,
  ),
  verb(
    'route',
    '<store> <exchange> [key]',
    'which bindings a routing key matches, and why',
    async () => (await import('./commands/route.ts')).routeVerb,
  ),
  verb(
    'simulate',
    '<store> <exchange>',
    'what if: where the past would have gone by another topology',
    async () => (await import('./commands/simulate.ts')).simulateVerb,
  ),
];
