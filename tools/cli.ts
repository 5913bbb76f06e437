#!/usr/bin/env node
/** The `varve` command: gives the program the process's streams and signals. */
import { InterruptedError } from './command-error.ts';
import { run } from './program.ts';

const { stdin, stdout, stderr, env } = process;
const controller = new AbortController();
const { signal } = controller;

/** npx and `timeout` pass on the signal that the process gets anyway. */
const SAME_SIGNAL_MS = 500;

// The first signal asks the verb to stop; a later one finds no handler and ends the process.
const stop = (name: NodeJS.Signals): void => {
  if (signal.aborted) return;
  setTimeout(letGo, SAME_SIGNAL_MS).unref();
  controller.abort(new InterruptedError(name));
};
const letGo = (): void => {
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

const exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal });
process.exitCode = exitCode;
stdin.destroy(); // An open terminal would keep the process alive.
if (signal.reason instanceof InterruptedError) {
  letGo();
  // Logs are closed by now. What is left is output that nobody may ever read: do not wait for it.
  if (signal.reason.signal === 'SIGTERM') process.kill(process.pid, 'SIGTERM');
  else process.exit(exitCode);
}
