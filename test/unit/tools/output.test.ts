import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import {
  describeFailure,
  InterruptedError,
  OutputClosedError,
  UsageError,
} from '../../../tools/command-error.ts';
import { ExitCode } from '../../../tools/exit-codes.ts';
import { Output } from '../../../tools/output.ts';
import { Progress } from '../../../tools/progress.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { CorruptLogError, IoError, LockedError, NotFoundError } from '../../../src/core/errors.ts';
import { OwnerError } from '../../../src/store/owner-error.ts';

const never = new AbortController().signal;

function collect(): { stream: Writable; chunks: Buffer[] } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, chunks };
}

function failing(code: string): Writable {
  return new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error(code), { code }));
    },
  });
}

describe('Output', () => {
  test('gathers text and bytes in order and writes them in one piece', async () => {
    const { stream, chunks } = collect();
    const output = new Output(stream, never);
    const bytes = Buffer.from([0xff]);
    output.write('é');
    output.write(bytes);
    output.write('z');
    bytes[0] = 0; // Copied before.
    await output.drain();
    await output.drain();
    expect(chunks).toEqual([Buffer.from([0xc3, 0xa9, 0xff, 0x7a])]);
  });

  test('is full from 64 KiB on, and takes more than its buffer', async () => {
    const { stream, chunks } = collect();
    const output = new Output(stream, never);
    output.write('x'.repeat(65_535));
    expect(output.isFull).toBe(false);
    output.write('x');
    expect(output.isFull).toBe(true);
    output.write(new Uint8Array(1_000_000));
    await output.drain();
    expect(output.isFull).toBe(false);
    expect(Buffer.concat(chunks)).toHaveLength(65_536 + 1_000_000);
  });

  test('waits for a slow reader', async () => {
    const waiting: (() => void)[] = [];
    const slow = new Writable({ write: (_chunk, _encoding, done) => void waiting.push(done) });
    const output = new Output(slow, never);
    output.write('x');
    const steps: string[] = [];
    const drained = output.drain().then(() => steps.push('drained'));
    await new Promise((resolve) => setImmediate(resolve));
    steps.push('read');
    for (const done of waiting) done();
    await drained;
    expect(steps).toEqual(['read', 'drained']);
  });

  test('tells a closed pipe from a failed write', async () => {
    const closed = new Output(failing('EPIPE'), never);
    closed.write('x');
    await expect(closed.drain()).rejects.toThrow(OutputClosedError);
    await expect(closed.drain()).rejects.toThrow(OutputClosedError);
    const full = new Output(failing('ENOSPC'), never);
    full.write('x');
    await expect(full.drain()).rejects.toThrow('ENOSPC');
  });

  test('stops waiting when the command is interrupted', async () => {
    const stuck = new Writable({ write() {} });
    const controller = new AbortController();
    const output = new Output(stuck, controller.signal);
    output.write('x');
    const drained = output.drain();
    controller.abort(new InterruptedError());
    await expect(drained).rejects.toThrow(InterruptedError);
  });

  test('hands over the result of a command that was interrupted, to a reader that is there', async () => {
    const interrupted = AbortSignal.abort(new InterruptedError());
    const { stream, chunks } = collect();
    const output = new Output(stream, interrupted);
    output.write('x');
    await expect(output.drain()).rejects.toThrow(InterruptedError);
    expect(chunks).toEqual([]);
    await output.finish();
    expect(Buffer.concat(chunks).toString()).toBe('x');
    const stuck = new Output(new Writable({ write() {} }), interrupted);
    stuck.write('x');
    await expect(stuck.finish()).rejects.toThrow(InterruptedError); // In its own time.
  });
});

describe('Progress', () => {
  const clock = new ManualClock();
  const options = { label: 'appending', unit: 'record', total: 4, isQuiet: false, clock };

  test('is one line that is redrawn and then cleared on a terminal', () => {
    const { stream, chunks } = collect();
    const progress = new Progress({ ...options, stream: Object.assign(stream, { isTTY: true }) });
    progress.update(1);
    expect(chunks).toHaveLength(0); // Work that is done at once shows nothing.
    clock.advance(99);
    progress.update(1);
    expect(chunks).toHaveLength(0);
    clock.advance(1);
    progress.update(2);
    progress.end();
    expect(Buffer.concat(chunks).toString()).toBe(
      '\r\u001B[2Kappending [############............] 2 of 4 records\r\u001B[2K',
    );
  });

  test('is silent in a pipe for the first seconds, then a plain line now and then', () => {
    const { stream, chunks } = collect();
    const piped = new Progress({ ...options, stream });
    clock.advance(4999);
    piped.update(1);
    expect(chunks).toHaveLength(0);
    clock.advance(1);
    piped.update(2);
    piped.update(3);
    piped.end();
    expect(Buffer.concat(chunks).toString()).toBe('appending: 2 of 4 records (50 %)\n');
  });

  test.each([true, false])('is always silent when quiet, terminal: %s', (isTTY) => {
    const { stream, chunks } = collect();
    const quiet = new Progress({
      ...options,
      stream: Object.assign(stream, { isTTY }),
      isQuiet: true,
    });
    clock.advance(60_000);
    quiet.update(2);
    quiet.end();
    expect(chunks).toHaveLength(0);
  });
});

describe('describeFailure', () => {
  const corrupt = {
    file: 'f',
    position: 1,
    kind: 'batch',
    firstOffset: 1,
    nextOffset: 2,
    reason: 'r',
  } as const;
  const io = { path: '/p', operation: 'open', position: null, errno: 'EACCES' };
  test.each([
    ['a closed pipe', new OutputClosedError(), ExitCode.ok],
    ['Ctrl-C', new InterruptedError(), ExitCode.interrupted],
    ['usage', new UsageError('x'), ExitCode.usage],
    ['not found', new NotFoundError({ kind: 'log', name: 'x' }), ExitCode.notFound],
    ['corruption', new CorruptLogError(corrupt), ExitCode.corrupt],
    ['a lock', new LockedError({ path: 'x', holder: null }), ExitCode.locked],
    ['a timeout', new DOMException('late', 'TimeoutError'), ExitCode.timeout],
    ['an I/O error', new IoError(io), ExitCode.failure],
    ['a bug', new TypeError('x is not a function'), ExitCode.failure],
    ['no error at all', 'text', ExitCode.failure],
  ])('%s', (_name, error, exitCode) => {
    expect(describeFailure(error).exitCode).toBe(exitCode);
  });

  test.each([
    ['ERR_VARVE_NOT_FOUND', null, ExitCode.notFound, null],
    ['ERR_VARVE_CORRUPT', null, ExitCode.corrupt, null],
    ['ERR_VARVE_INVALID_ARGUMENT', null, ExitCode.usage, null],
    ['ERR_VARVE_CONFLICT', { kind: 'topic' }, ExitCode.failure, null],
    [
      'ERR_VARVE_CONFLICT',
      { kind: 'consumer group' },
      ExitCode.failure,
      'members must leave first',
    ],
    ['ERR_VARVE_UNSUPPORTED_VERSION', null, ExitCode.failure, 'runs an older varve'],
    ['ERR_VARVE_FAILED', null, ExitCode.failure, 'must close it and open it again'],
    [null, 'no object', ExitCode.failure, null],
  ])('what the owner of a store says: %s %j', (code, details, exitCode, hint) => {
    const failure = describeFailure(new OwnerError('no\u001B', { code, details }));
    expect(failure).toMatchObject({ exitCode, message: String.raw`no\x1b` });
    if (hint === null) expect(failure.hint).toBeNull();
    else expect(failure.hint).toContain(hint);
  });

  test('a read-only file system: hints at a repair of a copy', () => {
    const { hint } = describeFailure(new IoError({ ...io, errno: 'EROFS' }));
    expect(hint).toContain('varve repair <dir> --to <new> repairs a copy');
  });

  test('escapes what names of files bring in, keeps causes out, and gives a hint', () => {
    const error = new IoError({ ...io, path: '/p/\u001B[2J' }, { cause: new Error('payload') });
    expect(describeFailure(error)).toEqual({
      exitCode: ExitCode.failure,
      message: String.raw`open of /p/\x1b[2J failed: EACCES`,
      hint: 'check who owns the directory and its mode',
    });
  });
});
