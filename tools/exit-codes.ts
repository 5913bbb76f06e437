/** What the `varve` command leaves behind for scripts. The README's table is made from these. */

/** Exit codes by name. They are part of the public contract: a changed one is a major release. */
export const ExitCode = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  corrupt: 4,
  locked: 5,
  timeout: 6,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** One sentence for each exit code. */
export const EXIT_CODES: Readonly<Record<ExitCode, string>> = {
  [ExitCode.ok]: 'Done; also when the reader of the output closed the pipe early.',
  [ExitCode.failure]: 'Something else went wrong; the message on stderr says what.',
  [ExitCode.usage]: 'The command line or the input is wrong; nothing was done with it.',
  [ExitCode.notFound]: 'There is no such log, file, offset, store, topic, group or exchange.',
  [ExitCode.corrupt]: 'Damaged data was found; it was reported and not changed.',
  [ExitCode.locked]: 'Another process is writing to the log, or has the store and cannot be asked.',
  [ExitCode.timeout]: 'The time that was allowed ran out.',
  [ExitCode.interrupted]: 'Stopped by Ctrl-C; what was acknowledged before is stored.',
};
