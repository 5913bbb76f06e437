/** A codec that checks values against a Standard Schema and leaves the bytes to another codec. */
import { argumentError } from '../core/assert.ts';
import { InvalidValueError } from '../core/errors.ts';
import { codecError, json } from './codec.ts';
import type { Codec } from './codec.ts';
import type { InferInput, InferOutput, StandardIssue, StandardSchema } from './standard-schema.ts';

/** Options of `schema`. */
export interface SchemaOptions<T> {
  /** Turns the checked value into bytes; default `json()`. */
  readonly codec?: Codec<T>;
  /** Check on decode too: for logs that others write, or older versions of you. Default false. */
  readonly validateOnDecode?: boolean;
}

/**
 * Checks every value with a Standard Schema v1 (zod, valibot, arktype, ...) before it is encoded.
 *
 * What is stored is the schema's *output*: defaults are filled in, coercions done, unknown keys
 * handled as the schema says. So the inner codec must be able to carry the output (`json` cannot
 * carry a `Date`; `msgpack` can), and with `validateOnDecode` the schema must accept its own
 * output, which a schema that turns strings into dates does not.
 *
 * @param standardSchema        checked with a synchronous validator
 * @param options               a codec for the bytes, or both options; default `json()`
 * @throws InvalidValueError (`ERR_VARVE_INVALID_VALUE`) on encode, and on decode when asked to
 * check there; its `details.issues` is what the schema reported, its message holds no values
 * @throws TypeError (`ERR_VARVE_INVALID_ARGUMENT`) for a schema whose validator is asynchronous:
 * appends are ordered by call, and an awaited check would reorder them
 */
export function schema<S extends StandardSchema>(
  standardSchema: S,
  options: Codec<InferOutput<S>> | SchemaOptions<InferOutput<S>> = {},
): Codec<InferOutput<S>, InferInput<S>> {
  checkSchema(standardSchema);
  const { codec, validateOnDecode } = chooseOptions(options);
  return {
    id: codec.id,
    encode: (value) => codec.encode(validate(standardSchema, value)),
    decode(stored) {
      const value = codec.decode(stored);
      return validateOnDecode ? validate(standardSchema, value) : value;
    },
  };
}

function chooseOptions<T>(options: Codec<T> | SchemaOptions<T>): {
  readonly codec: Codec<T>;
  readonly validateOnDecode: boolean;
} {
  if ('encode' in options) return { codec: options, validateOnDecode: false };
  return { codec: options.codec ?? json<T>(), validateOnDecode: options.validateOnDecode ?? false };
}

function checkSchema(candidate: StandardSchema): void {
  // Some libraries make schemas callable, so a function will do.
  const standard: unknown = (candidate as Partial<StandardSchema> | null | undefined)?.[
    '~standard'
  ];
  const isStandard =
    typeof standard === 'object' &&
    standard !== null &&
    'validate' in standard &&
    typeof standard.validate === 'function';
  if (!isStandard) {
    throw argumentError(TypeError, 'standardSchema', 'a Standard Schema v1', candidate);
  }
}

function validate<S extends StandardSchema>(standardSchema: S, value: unknown): InferOutput<S> {
  let result: ReturnType<StandardSchema['~standard']['validate']>;
  try {
    result = standardSchema['~standard'].validate(value);
  } catch (cause) {
    throw codecError('schema', "the schema's validator threw", cause);
  }
  if (result instanceof Promise) {
    result.catch(() => {}); // Its outcome is not used, and must not end the process.
    throw argumentError(
      TypeError,
      'standardSchema',
      'a schema with a synchronous validator',
      result,
    );
  }
  if (result.issues) throw invalidValue(result.issues);
  return result.value;
}

/** Names places, never contents: issue messages of some libraries quote the value. */
function invalidValue(issues: readonly StandardIssue[]): InvalidValueError {
  const count = issues.length === 1 ? '1 issue' : `${issues.length} issues`;
  const first = issues[0];
  const where = first === undefined ? '' : `, the first at ${describePath(first)}`;
  return new InvalidValueError(`the value does not satisfy the schema: ${count}${where}`, {
    issues,
  });
}

function describePath(issue: StandardIssue): string {
  const path = issue.path ?? [];
  if (path.length === 0) return 'the value itself';
  const keys = path.map((segment) => String(typeof segment === 'object' ? segment.key : segment));
  return JSON.stringify(keys.join('.').slice(0, 100));
}
