#!/usr/bin/env node
/** The `varve` command: gives the program the process's streams and signals. */
import { InterruptedError } from './command-error.ts';
import { run } from './program.ts';

const { stdin, stdout, stderr, env } = process;
const controller = new AbortController();
let endedBy: NodeJS.Signals | null = null;

// The first signal asks the verb to stop; a second one finds no handler and ends the process.
const stop = (signal: NodeJS.Signals): void => {
  endedBy = signal;
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
  controller.abort(new InterruptedError());
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

const signal = controller.signal;
process.exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal });
stdin.destroy(); // An open terminal would keep the process alive.
// `stop` runs behind the compiler's back, which still takes the variable for null.
if ((endedBy as NodeJS.Signals | null) === 'SIGTERM') process.kill(process.pid, 'SIGTERM');
