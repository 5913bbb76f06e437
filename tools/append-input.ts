/** All of stdin into a log or a topic, line by line. */
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
