/** All of stdin into a log, a topic or an exchange, line by line; or values. */
import type { CommandContext } from './command.ts';
import type { LineAppender, LineOptions } from './line-appender.ts';
import { splitLines } from './line-splitter.ts';
import { formatCount, formatPlural } from './units.ts';

/** A record of 15 MiB in base64, with its JSON around it. */
const LINE_BYTES_MAX = 24 * 1024 * 1024;

/** Appends all of stdin, and waits until it is acknowledged; Ctrl-C ends the input. */
export async function appendInput(
  context: CommandContext,
  appender: LineAppender,
  options: LineOptions,
): Promise<void> {
  const { stdin, signal } = context;
  const progress = context.progress({ label: 'appending', unit: 'record', total: null });
  // Destroying the stream is what ends a read that waits on a terminal.
  const onAbort = (): void => void stdin.destroy();
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const lines of splitLines(stdin, LINE_BYTES_MAX)) {
      await appender.append(lines, options);
      progress.update(appender.storedCount);
    }
    await appender.flushed();
  } catch (error) {
    await appender.settle();
    if (signal.aborted && !appender.hasFailed) return;
    const stored = formatPlural(appender.storedCount, 'record');
    context.note(
      `stopped at line ${formatCount(appender.lineNumber)} of the input; ${stored} stored`,
    );
    throw error;
  } finally {
    progress.end();
    signal.removeEventListener('abort', onAbort);
  }
}

/** Appends values of the command line, and waits until they are acknowledged. */
export async function appendValues(
  appender: LineAppender,
  values: readonly string[],
  options: LineOptions,
): Promise<void> {
  try {
    await appender.append(
      values.map((value) => Buffer.from(value, 'utf8')),
      options,
    );
    await appender.flushed();
  } catch (error) {
    await appender.settle();
    throw error;
  }
}
