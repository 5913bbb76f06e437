/** Histories of a model queue are legal; broken in one place they are not, and the checker says how. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { propertyOptions } from '../support/property.ts';
import { checkQueueHistory } from '../support/queue-check/check-queue-history.ts';
import { EventLines, formatEvent, type QueueEvent } from '../support/queue-check/history.ts';
import { HistoryModel, STEPS, type Step } from '../support/queue-check/history-model.ts';
import { MUTATIONS } from '../support/queue-check/history-mutations.ts';
import type { CheckOptions } from '../support/queue-check/verdict.ts';

const OPTIONS: CheckOptions = { leaseMs: 1000, failuresMax: 3, expiriesMax: 3, slackMs: 100 };

const step = fc.tuple(fc.constantFrom(...STEPS), fc.nat(210)) satisfies fc.Arbitrary<Step>;
const history: fc.Arbitrary<readonly QueueEvent[]> = fc
  .array(step, { minLength: 20, maxLength: 120 })
  .map((steps) => new HistoryModel(OPTIONS).run(steps).events);

test('the checker is content with every history of the model', () => {
  fc.assert(
    fc.property(history, (events) => {
      expect(checkQueueHistory(events, OPTIONS).violations).toEqual([]);
    }),
    propertyOptions({ numRuns: 300 }),
  );
});

describe('the checker notices that', () => {
  test.each(MUTATIONS)('$what', ({ kind, apply }) => {
    fc.assert(
      fc.property(history, fc.nat(), (events, choice) => {
        const broken = apply(events, choice, OPTIONS);
        fc.pre(broken !== null);
        const { violations } = checkQueueHistory(broken, OPTIONS);
        expect(violations.map((violation) => violation.kind)).toContain(kind);
      }),
      propertyOptions(),
    );
  });
});

test('events come out of a pipe as they went in, however it cuts them, but for a last part', () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.integer({ min: 1, max: 300 })), (events, cuts) => {
      const bytes = Buffer.from(events.map(formatEvent).join(''));
      const length = bytes.length - ((cuts.next().value as number) % 50);
      const lines = new EventLines();
      const found: QueueEvent[] = [];
      for (let at = 0; at < length;) {
        const end = Math.min(length, at + (cuts.next().value as number));
        found.push(...lines.push(bytes.subarray(at, end)));
        at = end;
      }
      const whole = bytes.subarray(0, length).toString().split('\n').length - 1;
      expect(found).toEqual(events.slice(0, whole));
    }),
    propertyOptions(),
  );
});
