/**
 * Whether a planted bug was caught, by what its test said. Pure: results in, a verdict out.
 *
 * A catch is the judgement of a test: the first failure of the named test is an `AssertionError`, or
 * the plain `Error` of vitest's `resolves` and `rejects`, and the innermost of our own files on its
 * stack lies in `test/`. All else is luck, or no test at all: a patch that does not apply or
 * does not compile, a test that is missing, green, hung, or red already without the patch, an error
 * that the engine threw (its own invariants included) or that the test tripped over.
 */

/** How one test went. */
export interface TestOutcome {
  readonly status: 'passed' | 'failed' | 'missing' | 'hung';
  /** Of a failed test: each failure as reported, message first, then the stack. */
  readonly failures: readonly string[];
}

/** How far a planted bug came. */
export type Attempt =
  | { readonly stage: 'apply'; readonly problem: string }
  | { readonly stage: 'build'; readonly problem: string }
  | { readonly stage: 'test'; readonly outcome: TestOutcome; readonly root: string };

export interface Verdict {
  readonly isCaught: boolean;
  /** One line: the assertion that caught it, or why it does not count. */
  readonly reason: string;
}

const ASSERTION =
  /^(?:AssertionError: |Error: promise (?:rejected|resolved) .* instead of (?:resolving|rejecting)\n)/;

/** @param clean  the same test on the tree without the patch */
export function judge(clean: TestOutcome, attempt: Attempt): Verdict {
  if (clean.status !== 'passed') {
    return missed(`without the patch the test is not green: ${describe(clean)}`);
  }
  if (attempt.stage === 'apply') return missed(`the patch does not apply: ${attempt.problem}`);
  if (attempt.stage === 'build') return missed(`the bug does not compile: ${attempt.problem}`);
  const { outcome, root } = attempt;
  const [failure] = outcome.failures;
  if (outcome.status !== 'failed' || failure === undefined) return missed(describe(outcome));
  if (!ASSERTION.test(failure)) {
    return missed(`red, but by no assertion: ${firstLine(failure)}`);
  }
  if (!(thrownIn(failure) ?? '').startsWith(`${root}/test/`)) {
    return missed(`red, but not by the test's judgement: ${firstLine(failure)}`);
  }
  return { isCaught: true, reason: firstLine(failure) };
}

function missed(reason: string): Verdict {
  return { isCaught: false, reason };
}

function describe({ status, failures }: TestOutcome): string {
  if (status === 'passed') return 'the test stays green';
  if (status === 'missing') return 'no test has this name';
  if (status === 'hung') return 'the test run did not end';
  return firstLine(failures[0] ?? 'failed');
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

const FRAME = /^ +at (?:.*\()?(?:file:\/\/)?(?<path>\/[^()]*?):\d+:\d+\)?$/gm;

/** The innermost of our own files on the stack: whose judgement the error is. */
function thrownIn(failure: string): string | undefined {
  return [...failure.matchAll(FRAME)]
    .map((frame) => frame.groups?.['path'] ?? '')
    .find((path) => !path.includes('/node_modules/'));
}

/** Of vitest's JSON report, what is used here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/** How the test with this name went; two of one name in a file are no named test. */
export function outcomeIn(
  report: VitestReport,
  test: { readonly file: string; readonly name: string },
): TestOutcome {
  const results = report.testResults
    .filter(({ name }) => name.endsWith(`/${test.file}`))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ fullName }) => fullName === test.name);
  const [result] = results;
  const isKnown = result?.status === 'passed' || result?.status === 'failed';
  if (results.length !== 1 || result === undefined || !isKnown) {
    return { status: 'missing', failures: [] };
  }
  const status = result.status === 'passed' ? 'passed' : 'failed';
  return { status, failures: result.failureMessages ?? [] };
}
