import { describe, expect, test } from 'vitest';

import {
  judge,
  outcomeIn,
  type Attempt,
  type TestOutcome,
  type VitestReport,
} from '../../support/planted/verdict.ts';

const GREEN: TestOutcome = { status: 'passed', failures: [] };
const ROOT = '/copies/07';
const OWN_FRAME = `    at ${ROOT}/test/regression/f01.test.ts:44:40`;

/** What a run with the patch says when the test failed with this. */
const red = (...failures: string[]): Attempt => ({
  stage: 'test',
  outcome: { status: 'failed', failures },
  root: ROOT,
});
const ended = (status: TestOutcome['status']): Attempt => ({
  stage: 'test',
  outcome: { status, failures: [] },
  root: ROOT,
});

describe('caught is', () => {
  test.each([
    ['an assertion of the test', `AssertionError: expected 1 to be 2\n${OWN_FRAME}`],
    [
      'one of many lines',
      `AssertionError: expected 'a' to be 'b'\n\n- b\n+ a\n\n${OWN_FRAME}\n    at file:///modules/run.js:1:2`,
    ],
    [
      'an assertion made inside of the test runner',
      `AssertionError: expected {} to match object { a: 1 }\n    at Proxy.<anonymous> (file:///copies/07/node_modules/chai.js:1:2)\n${OWN_FRAME}`,
    ],
    [
      'one of a helper',
      `AssertionError: expected a rejection\n    at Module.rejectionOf (${ROOT}/test/support/log-fixture.ts:9:9)\n${OWN_FRAME}`,
    ],
    [
      'a promise that was to resolve',
      `Error: promise rejected "CorruptLogError: damaged" instead of resolving\n${OWN_FRAME}`,
    ],
  ])('%s', (_name, failure) => {
    expect(judge(GREEN, red(failure))).toEqual({
      isCaught: true,
      reason: failure.split('\n')[0],
    });
  });
});

describe('no catch is', () => {
  test.each<[string, Attempt, string]>([
    ['a test that stays green', ended('passed'), 'stays green'],
    ['a run that does not end', ended('hung'), 'did not end'],
    ['a test that is not there', ended('missing'), 'no test has this name'],
    ['a failure without a message', ended('failed'), 'failed'],
    ['a patch that does not apply', { stage: 'apply', problem: 'no such line' }, 'no such line'],
    ['a bug that does not compile', { stage: 'build', problem: 'TS2322' }, 'TS2322'],
    [
      'an error with the words of one',
      red(`Error: no promise rejected "a" instead of resolving\n${OWN_FRAME}`),
      'no promise',
    ],
    ['a timeout', red(`Error: Test timed out in 30000ms.\n${OWN_FRAME}`), 'timed out'],
    [
      'an error that the test trips over',
      red(`TypeError: undefined is not a function\n${OWN_FRAME}`),
      'TypeError',
    ],
    [
      'an error of the engine that the test did not expect',
      red(`CorruptLogError: damaged batch\n    at load (${ROOT}/src/log/log-loader.ts:1:2)`),
      'CorruptLogError',
    ],
    [
      'an invariant of the engine',
      red(
        `AssertionError: invariant broken: a\n    at assert (${ROOT}/src/core/assert.ts:14:9)\n${OWN_FRAME}`,
      ),
      'invariant broken',
    ],
    [
      'an assertion without a stack',
      red('AssertionError: expected 1 to be 2'),
      "not by the test's judgement",
    ],
    [
      'an assertion behind another error',
      red(`TypeError: a\n${OWN_FRAME}`, `AssertionError: b\n${OWN_FRAME}`),
      'TypeError',
    ],
  ])('%s', (_name, attempt, reason) => {
    const verdict = judge(GREEN, attempt);
    expect(verdict.isCaught).toBe(false);
    expect(verdict.reason).toContain(reason);
  });

  test.each<[string, TestOutcome]>([
    ['red', { status: 'failed', failures: [`AssertionError: expected\n${OWN_FRAME}`] }],
    ['missing', { status: 'missing', failures: [] }],
    ['hung', { status: 'hung', failures: [] }],
  ])('an assertion of a test that is %s without the patch', (_name, clean) => {
    const verdict = judge(clean, red(`AssertionError: expected\n${OWN_FRAME}`));
    expect(verdict.isCaught).toBe(false);
    expect(verdict.reason).toContain('without the patch');
  });
});

describe('the outcome of a test in a report', () => {
  const named = (status: string, fullName = 'a log keeps it') => ({
    fullName,
    status,
    failureMessages: status === 'failed' ? ['AssertionError: x'] : [],
  });
  const reportOf = (...results: ReturnType<typeof named>[]): VitestReport => ({
    testResults: [{ name: '/copies/07/test/unit/a.test.ts', assertionResults: results }],
  });
  const wanted = { file: 'test/unit/a.test.ts', name: 'a log keeps it' };

  test('is found by file and full name among those that were skipped', () => {
    const report = reportOf(named('pending', 'another'), named('failed'));
    expect(outcomeIn(report, wanted)).toEqual({
      status: 'failed',
      failures: ['AssertionError: x'],
    });
    expect(outcomeIn(reportOf(named('passed')), wanted)).toEqual(GREEN);
  });

  test.each([
    ['of another name', reportOf(named('passed', 'a log keeps it all'))],
    [
      'in another file',
      { testResults: [{ ...reportOf(named('passed')).testResults[0], name: '/b' }] },
    ],
    ['that was skipped', reportOf(named('skipped'))],
    ['there twice', reportOf(named('passed'), named('passed'))],
    ['in a file that did not load', reportOf()],
  ])('%s is missing', (_name, report) => {
    expect(outcomeIn(report as VitestReport, wanted).status).toBe('missing');
  });
});
