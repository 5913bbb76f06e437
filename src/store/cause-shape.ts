/** What made a record, as the control socket tells it. */
import { choice, fieldsOf, integer, struct, structWith, text, type Shape } from '../core/shape.ts';
import type { RecordCause } from '../log/record-cause.ts';

const kind = struct({ kind: choice(['projected', 'dead-letter', 'redriven']) });
const projected = structWith({
  kind: choice(['projected']),
  exchangeId: integer(),
  offset: integer(),
});
const moved = structWith({
  kind: choice(['dead-letter', 'redriven']),
  topic: text,
  partition: integer(),
  offset: integer(),
});

export const recordCause: Shape<RecordCause> = {
  check(name, value) {
    const known = kind.check(name, { kind: fieldsOf(name, value).get('kind') });
    return known.kind === 'projected' ? projected.check(name, value) : moved.check(name, value);
  },
};
