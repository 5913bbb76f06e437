/** How the property tests run: 100 examples each, and a failure says how to see it again. */
import * as fc from 'fast-check';

const RUNS = Number(process.env['VARVE_PROPERTY_RUNS'] ?? 100);
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const SAID_MAX = 200;

/** How to see again what the properties of this process did. */
export const REPLAY = `SEED=${SEED} npx vitest run --config test/vitest.config.ts test/property`;

/** Parameters for `fc.assert`, with what one property wants to change. */
export function propertyOptions<Ts>(changes: fc.Parameters<Ts> = {}): fc.Parameters<Ts> {
  return { numRuns: RUNS, seed: SEED, reporter: report, ...changes };
}

/** As `propertyOptions`, with more examples where they are quick: so many at least. */
export function manyExamples<Ts>(runsMin: number): fc.Parameters<Ts> {
  return propertyOptions({ numRuns: Math.max(RUNS, runsMin) });
}

/** As `propertyOptions`, for properties that wait. */
export function asyncPropertyOptions<Ts>(changes: fc.Parameters<Ts> = {}): fc.Parameters<Ts> {
  const { reporter: _, ...options } = propertyOptions<Ts>();
  return { ...options, asyncReporter: async (details) => report(details), ...changes };
}

/** What an assertion has found is an assertion, also when it says how to see it again. */
class BrokenProperty extends Error {
  static {
    this.prototype.name = 'AssertionError'; // Here, for the stack of each begins with it.
  }
}

function report<Ts>(details: fc.RunDetails<Ts>): void {
  if (!details.failed) return;
  const { errorInstance: cause } = details;
  const isAsserted = cause instanceof Error && cause.name === 'AssertionError';
  const ErrorClass = isAsserted ? BrokenProperty : Error;
  // In front of the examples, which are long.
  const said = cause instanceof Error ? `${cause.message.slice(0, SAID_MAX)}\n` : '';
  const message = `${REPLAY}\n${said}${fc.defaultReportMessage(details) ?? ''}`;
  throw new ErrorClass(message, { cause });
}
