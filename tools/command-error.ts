/** From whatever was thrown to what a person reads and a script branches on. */
import { CommanderError } from 'commander';
import type { ErrorCode } from '../src/index.ts';
import { OwnerError } from '../src/store/owner-error.ts';
import { escapeText } from './escape-text.ts';
import { ExitCode } from './exit-codes.ts';

/** The command line or its input is wrong: exit code 2. */
export class UsageError extends Error {
  readonly hint: string | null;

  constructor(message: string, hint: string | null = null) {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}

/** A condition that the command line names itself, with its exit code. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | null;

  constructor(exitCode: ExitCode, message: string, hint: string | null = null) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** The reader of our output went away (`| head`): no failure, and nothing left to say. */
export class OutputClosedError extends Error {
  constructor() {
    super('the output was closed');
    this.name = 'OutputClosedError';
  }
}

/** Ctrl-C, or a request to end: the reason of the command's abort signal. */
export class InterruptedError extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals = 'SIGINT') {
    super(`interrupted by ${signal}`);
    this.name = 'InterruptedError';
    this.signal = signal;
  }
}

/** What to print and how to exit. A null message prints nothing. */
export interface Failure {
  readonly exitCode: ExitCode;
  readonly message: string | null;
  readonly hint: string | null;
}

interface KnownFailure {
  readonly exitCode: ExitCode;
  readonly hint: string;
}

const KNOWN_FAILURES: Partial<Record<ErrorCode, KnownFailure>> = {
  ERR_VARVE_INVALID_ARGUMENT: { exitCode: ExitCode.usage, hint: 'see --help' },
  ERR_VARVE_NOT_FOUND: { exitCode: ExitCode.notFound, hint: 'varve append <dir> creates a log' },
  ERR_VARVE_OFFSET_OUT_OF_RANGE: {
    exitCode: ExitCode.notFound,
    hint: 'varve info <dir> shows which offsets there are',
  },
  ERR_VARVE_CORRUPT: {
    exitCode: ExitCode.corrupt,
    hint:
      'nothing was changed; varve verify <dir> lists all damage, varve repair <dir> says what is ' +
      'lost; cat, tail and export read past it with --on-corruption skip',
  },
  ERR_VARVE_BAD_PATTERN: {
    exitCode: ExitCode.usage,
    hint:
      'of a topic exchange: words between dots, * is one word, # any number of them; of a consistent-hash ' +
      'exchange: a weight, such as 1; of others: a routing key; never more than 255 bytes',
  },
  ERR_VARVE_LOCKED: {
    exitCode: ExitCode.locked,
    hint: 'one process writes at a time; cat, tail, export, verify and info work beside it',
  },
  ERR_VARVE_UNSUPPORTED_VERSION: {
    exitCode: ExitCode.failure,
    hint: 'a newer varve wrote this; update to read it',
  },
  ERR_VARVE_CODEC_UNAVAILABLE: {
    exitCode: ExitCode.failure,
    hint: 'what is stored is whole, and a newer Node.js or varve reads and writes it',
  },
  ERR_VARVE_DISK_FULL: {
    exitCode: ExitCode.failure,
    hint: 'what was acknowledged is stored; free some space and append the rest',
  },
  ERR_VARVE_TOO_LARGE: {
    exitCode: ExitCode.usage,
    hint: 'a record holds up to 1 MiB',
  },
  ERR_VARVE_NOT_REBUILDABLE: {
    exitCode: ExitCode.failure,
    hint: 'nothing was changed; varve repair <store> says what the damage costs otherwise',
  },
  ERR_VARVE_CONFLICT: {
    exitCode: ExitCode.failure,
    hint:
      'only the store that owns this log may write to it; verbs that read work, and append and import ' +
      'take the store with --topic',
  },
};

/** By whatever code an error carries, ours or not. */
const BY_CODE: ReadonlyMap<string, KnownFailure> = new Map(Object.entries(KNOWN_FAILURES));

/** Chooses message, hint and exit code. Causes are not printed: they may quote payloads. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof OutputClosedError) return silent(ExitCode.ok);
  if (error instanceof InterruptedError) return silent(ExitCode.interrupted);
  if (error instanceof CommanderError) return describeCommanderError(error);
  if (error instanceof UsageError) return describe(error, ExitCode.usage, error.hint);
  if (error instanceof CommandError) return describe(error, error.exitCode, error.hint);
  if (error instanceof OwnerError) return describeOwnerError(error);
  if (!(error instanceof Error))
    return { exitCode: ExitCode.failure, message: 'unknown failure', hint: null };
  const known = BY_CODE.get(codeOf(error));
  if (known !== undefined) return describe(error, known.exitCode, hintFor(error, known));
  if (error.name === 'TimeoutError') return describe(error, ExitCode.timeout, null);
  return describe(error, ExitCode.failure, errnoHint(error));
}

/** A conflict of something else than logs says itself what is wrong. */
function hintFor(error: Error, { hint }: KnownFailure): string | null {
  if (codeOf(error) !== 'ERR_VARVE_CONFLICT') return hint;
  return kindOf('details' in error ? error.details : null) === 'log' ? hint : null;
}

function kindOf(details: unknown): unknown {
  return typeof details === 'object' && details !== null && 'kind' in details ? details.kind : null;
}

/** Commander has printed its own message; only the code is ours. */
function describeCommanderError(error: CommanderError): Failure {
  return silent(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage);
}

/** Of the process that has the store open. What it says is right; our hints may not fit it. */
function describeOwnerError(error: OwnerError): Failure {
  const { code, message, details } = error;
  const exitCode = BY_CODE.get(code ?? '')?.exitCode ?? ExitCode.failure;
  const kind = kindOf(details);
  let hint: string | null = null;
  if (code === 'ERR_VARVE_CONFLICT' && kind === 'consumer group') {
    hint = 'its members must leave first; varve groups describe shows them';
  } else if (code === 'ERR_VARVE_NOT_REBUILDABLE') {
    hint = BY_CODE.get(code)?.hint ?? null;
  } else if (code === 'ERR_VARVE_UNSUPPORTED_VERSION') {
    hint = 'the process that has the store open runs an older varve: use the same';
  } else if (code === 'ERR_VARVE_FAILED') {
    hint = 'the process that has the store open must close it and open it again';
  }
  return { exitCode, message: escapeText(message), hint };
}

function silent(exitCode: ExitCode): Failure {
  return { exitCode, message: null, hint: null };
}

function describe(error: Error, exitCode: ExitCode, hint: string | null): Failure {
  return { exitCode, message: escapeText(error.message), hint };
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function errnoHint(error: Error): string | null {
  const errno = 'details' in error ? errnoOf(error.details) : codeOf(error);
  if (errno === 'EACCES' || errno === 'EPERM') return 'check who owns the directory and its mode';
  if (errno === 'EROFS') {
    return 'the file system is mounted read-only; varve repair <dir> --to <new> repairs a copy';
  }
  if (errno === 'EMFILE' || errno === 'ENFILE') return 'too many open files: raise ulimit -n';
  return null;
}

function errnoOf(details: unknown): string {
  const isIo = typeof details === 'object' && details !== null && 'errno' in details;
  return isIo && typeof details.errno === 'string' ? details.errno : '';
}
