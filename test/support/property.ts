/** How the property tests run: 100 examples each, and a failure says how to see it again. */
import * as fc from 'fast-check';

const RUNS = Number(process.env['VARVE_PROPERTY_RUNS'] ?? 100);
const SEED = process.env['SEED'];

/** Parameters for `fc.assert`, with what one property wants to change. */
export function propertyOptions<Ts>(changes: fc.Parameters<Ts> = {}): fc.Parameters<Ts> {
  return {
    numRuns: RUNS,
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    reporter: report,
    ...changes,
  };
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
  const replay = `SEED=${details.seed} npx vitest run --config test/vitest.config.ts test/property`;
  const { errorInstance: cause } = details;
  const isAsserted = cause instanceof Error && cause.name === 'AssertionError';
  const ErrorClass = isAsserted ? BrokenProperty : Error;
  throw new ErrorClass(`${replay}\n${fc.defaultReportMessage(details) ?? ''}`, { cause });
}
