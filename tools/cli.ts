#!/usr/bin/env node
/** The `varve` command: gives the program the process's streams and signals. */
import { InterruptedError } from './command-error.ts';
import { run } from './program.ts';

const { stdin, stdout, stderr, env } = process;
const controller = new AbortController();
const { signal } = controller;

// The first signal asks the verb to stop; a second one finds no handler and ends the process.
const stop = (name: NodeJS.Signals): void => {
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
  controller.abort(new InterruptedError(name));
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

const exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal });
process.exitCode = exitCode;
stdin.destroy(); // An open terminal would keep the process alive.
if (signal.reason instanceof InterruptedError) {
  // Logs are closed by now. What is left is output that nobody may ever read: do not wait for it.
  if (signal.reason.signal === 'SIGTERM') process.kill(process.pid, 'SIGTERM');
  else process.exit(exitCode);
}
