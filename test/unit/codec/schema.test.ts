import { describe, expect, test } from 'vitest';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { json } from '../../../src/codec/codec.ts';
import { msgpack } from '../../../src/codec/msgpack.ts';
import { schema } from '../../../src/codec/schema.ts';
import { CodecError, InvalidValueError } from '../../../src/core/errors.ts';

interface Flight {
  origin: string;
  delay: number;
}

/** As a library would write it: `delay` defaults to 0, unknown keys are dropped. */
const flightSchema: StandardSchemaV1<{ origin: string; delay?: number }, Flight> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const { origin, delay = 0 } = (value ?? {}) as Partial<Flight>;
      const issues: StandardSchemaV1.Issue[] = [];
      if (typeof origin !== 'string')
        issues.push({ message: `bad ${String(origin)}`, path: ['origin'] });
      if (typeof delay !== 'number')
        issues.push({ message: 'no number', path: [{ key: 'delay' }] });
      return issues.length > 0 ? { issues } : { value: { origin: origin as string, delay } };
    },
  },
};

function stubSchema(validate: (value: unknown) => unknown): StandardSchemaV1<string> {
  return { '~standard': { version: 1, vendor: 'test', validate: validate as never } };
}

function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('expected a throw');
}

describe('schema', () => {
  test('stores the output of the schema: defaults filled in, unknown keys gone', () => {
    const codec = schema(flightSchema);
    const stored = codec.encode({ origin: 'SAN', extra: 1 } as { origin: string });
    expect(JSON.parse(Buffer.from(stored).toString())).toEqual({ origin: 'SAN', delay: 0 });
    expect(codec.decode(stored)).toEqual({ origin: 'SAN', delay: 0 });
    expect(codec.id).toBe('json');
  });

  test('leaves the bytes to the codec that it is given, in either form', () => {
    for (const codec of [
      schema(flightSchema, msgpack<Flight>()),
      schema(flightSchema, { codec: msgpack<Flight>() }),
    ]) {
      expect(codec.id).toBe('msgpack');
      expect(codec.decode(codec.encode({ origin: 'SAN' }))).toEqual({ origin: 'SAN', delay: 0 });
    }
  });

  test('refuses a value with InvalidValueError: issues in details, no values in the message', () => {
    const error = thrownBy(() =>
      schema(flightSchema).encode({ origin: 4711, delay: 'x' } as unknown as Flight),
    );
    expect(error).toBeInstanceOf(InvalidValueError);
    expect(error).toMatchObject({
      code: 'ERR_VARVE_INVALID_VALUE',
      message: 'the value does not satisfy the schema: 2 issues, the first at "origin"',
      details: { issues: [{ message: 'bad 4711' }, { message: 'no number' }] },
    });
  });

  test('names the value itself when an issue has no path', () => {
    const codec = schema(stubSchema(() => ({ issues: [{ message: 'no' }] })));
    expect(() => codec.encode('x')).toThrow('1 issue, the first at the value itself');
  });

  test('checks on decode only when asked to', () => {
    const stored = json().encode({ origin: 7 });
    expect(schema(flightSchema).decode(stored)).toEqual({ origin: 7 });
    const checked = schema(flightSchema, { validateOnDecode: true });
    expect(() => checked.decode(stored)).toThrow(InvalidValueError);
    expect(checked.decode(json().encode({ origin: 'SAN' }))).toEqual({ origin: 'SAN', delay: 0 });
  });

  test('refuses an asynchronous validator, also one that rejects later', async () => {
    for (const result of [Promise.resolve({ value: 'x' }), Promise.reject(new Error('late'))]) {
      const error = thrownBy(() => schema(stubSchema(() => result)).encode('x'));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'ERR_VARVE_INVALID_ARGUMENT' });
      expect((error as Error).message).toContain('synchronous');
    }
    await new Promise((resolve) => setImmediate(resolve)); // An unhandled rejection would fail the run.
  });

  test('wraps what a validator throws', () => {
    const cause = new Error('inside');
    const codec = schema(
      stubSchema(() => {
        throw cause;
      }),
    );
    const error = thrownBy(() => codec.encode('x'));
    expect(error).toBeInstanceOf(CodecError);
    expect((error as Error).cause).toBe(cause);
  });

  test.each([null, undefined, {}, 'x', { '~standard': {} }])(
    'refuses %j as a schema',
    (candidate) => {
      expect(thrownBy(() => schema(candidate as never))).toMatchObject({
        code: 'ERR_VARVE_INVALID_ARGUMENT',
      });
    },
  );

  test('takes a callable schema', () => {
    const callable = Object.assign(() => {}, flightSchema);
    expect(schema(callable).encode({ origin: 'SAN' }).length).toBeGreaterThan(0);
  });
});
