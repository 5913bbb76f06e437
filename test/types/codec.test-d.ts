/** What the types of the codecs infer and refuse. Checked by `tsc`, never run. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expectTypeOf } from 'vitest';
import { bytes, json, utf8 } from '../../src/codec/codec.ts';
import type { Codec } from '../../src/codec/codec.ts';
import { msgpack } from '../../src/codec/msgpack.ts';
import { schema } from '../../src/codec/schema.ts';
import type { StandardSchema } from '../../src/codec/standard-schema.ts';

interface Flight {
  origin: string;
  delay: number;
}
type FlightInput = Partial<Flight>;
type FlightSchema = StandardSchema<FlightInput, Flight>;
type OriginalFlightSchema = StandardSchemaV1<FlightInput, Flight>;

declare const flightSchema: OriginalFlightSchema;
declare const dateSchema: StandardSchemaV1<string, Date>;
declare const stored: Uint8Array;
declare function open<T>(codec: Codec<T>): T;

expectTypeOf(bytes).toEqualTypeOf<Codec<Uint8Array>>();
expectTypeOf(utf8).toEqualTypeOf<Codec<string>>();
expectTypeOf(json<Flight>()).toEqualTypeOf<Codec<Flight>>();
expectTypeOf(json()).toEqualTypeOf<Codec<unknown>>();
expectTypeOf(msgpack<Flight>()).toEqualTypeOf<Codec<Flight>>();

// Input and output of a schema are told apart, and the output is what a log holds.
expectTypeOf(schema(flightSchema)).toEqualTypeOf<Codec<Flight, FlightInput>>();
expectTypeOf(schema(flightSchema, msgpack<Flight>())).toEqualTypeOf<Codec<Flight, FlightInput>>();
expectTypeOf(schema(dateSchema, { codec: msgpack<Date>() }).decode(stored)).toEqualTypeOf<Date>();
expectTypeOf(open(schema(flightSchema))).toEqualTypeOf<Flight>();
expectTypeOf(open(json<Flight>())).toEqualTypeOf<Flight>();

// Our copy of Standard Schema accepts the original, and the other way round.
expectTypeOf<OriginalFlightSchema>().toExtend<FlightSchema>();
expectTypeOf<FlightSchema>().toExtend<OriginalFlightSchema>();

// @ts-expect-error a string is not what the bytes codec takes
bytes.encode('x');
// @ts-expect-error the property is misspelt
json<Flight>().encode({ origin: 'SAN', dealy: 1 });
// @ts-expect-error the inner codec must carry the output of the schema
schema(flightSchema, utf8);
// @ts-expect-error a function is not a schema
schema(() => true);
