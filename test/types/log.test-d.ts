/** What the types of the log's API infer and refuse. Checked by `tsc`, never run. */
import { expectTypeOf } from 'vitest';

import {
  bytes,
  isStoreError,
  json,
  ManualClock,
  MemoryFileSystem,
  openLog,
  schema,
  SeededRandom,
  utf8,
  verifyLog,
  dumpSegment,
} from '../../src/index.ts';
import type {
  AppendBatchResult,
  AppendOptions,
  AppendResult,
  Codec,
  CompressionName,
  CorruptLogError,
  CorruptLogDetails,
  DurabilityLevel,
  ErrorCode,
  FailedError,
  Log,
  LogCursor,
  LogGap,
  LogOptions,
  LogRecord,
  LogStats,
  ReadFrom,
  ReadOptions,
  RecordBatch,
  RecordInput,
  RecoveryReport,
  RetentionResult,
  StoreError,
  VerifyEvent,
  DumpEvent,
} from '../../src/index.ts';
import type { StandardSchemaV1 } from '@standard-schema/spec';

interface Flight {
  origin: string;
  delay: number;
}
type FlightInput = Partial<Flight>;

declare const flightSchema: StandardSchemaV1<FlightInput, Flight>;
declare const log: Log<Flight>;
declare const schemaLog: Log<Flight, FlightInput>;
declare const error: unknown;

// The codec decides what a log holds; without one it holds bytes.
expectTypeOf(openLog('d')).resolves.toEqualTypeOf<Log<Uint8Array>>();
expectTypeOf(openLog('d', {})).resolves.toEqualTypeOf<Log<Uint8Array>>();
expectTypeOf(openLog('d', { codec: bytes })).resolves.toEqualTypeOf<Log<Uint8Array>>();
expectTypeOf(openLog('d', { codec: utf8 })).resolves.toEqualTypeOf<Log<string>>();
expectTypeOf(openLog('d', { codec: json<Flight>() })).resolves.toEqualTypeOf<Log<Flight>>();
expectTypeOf(openLog('d', { codec: json() })).resolves.toEqualTypeOf<Log<unknown>>();
expectTypeOf(openLog<Flight>('d', { codec: json() })).resolves.toEqualTypeOf<Log<Flight>>();

// With a schema, what goes in and what comes out are two types.
const opened = openLog('d', { codec: schema(flightSchema) });
expectTypeOf(opened).resolves.toEqualTypeOf<Log<Flight, FlightInput>>();
schemaLog.append({ value: { origin: 'SAN' } }).catch(() => undefined);
// @ts-expect-error the log of the output alone wants every property
log.append({ value: { origin: 'SAN' } }).catch(() => undefined);

// Appending.
expectTypeOf<Log<Flight>['append']>().parameter(0).toEqualTypeOf<RecordInput<Flight>>();
expectTypeOf<Log<Flight>['append']>().parameter(1).toEqualTypeOf<AppendOptions | undefined>();
expectTypeOf<Log<Flight>['append']>().returns.resolves.toEqualTypeOf<AppendResult>();
expectTypeOf<Log<Flight>['appendBatch']>().returns.resolves.toEqualTypeOf<AppendBatchResult>();
expectTypeOf<Log<Flight>['appendNoWait']>().returns.toEqualTypeOf<number>();
expectTypeOf<Log<Flight>['ready']>().returns.resolves.toEqualTypeOf<void>();
expectTypeOf<Log<Flight>['flushed']>().returns.resolves.toEqualTypeOf<void>();
expectTypeOf<Log<Flight>['sync']>().returns.resolves.toEqualTypeOf<void>();
expectTypeOf<AppendResult['durability']>().toEqualTypeOf<DurabilityLevel>();
expectTypeOf<DurabilityLevel>().toEqualTypeOf<'os' | 'interval' | 'sync'>();
expectTypeOf<RecordInput<Flight>['value']>().toEqualTypeOf<Flight | null>();
const flight: Flight = { origin: 'SAN', delay: 3 };
log.append({ value: null, key: 'k' }).catch(() => undefined);
log.append({ value: flight, key: new Uint8Array(1), createTimeMs: 5 }).catch(() => undefined);
log.append({ value: flight, headers: { a: 'x', b: new Uint8Array(1) } }).catch(() => undefined);
// @ts-expect-error a value is needed; a tombstone is asked for with null
log.append({ key: 'k' }).catch(() => undefined);
// @ts-expect-error undefined is no value
log.append({ value: undefined }).catch(() => undefined);
// @ts-expect-error the property is misspelt
log.append({ value: { origin: 'SAN', dealy: 3 } }).catch(() => undefined);
// @ts-expect-error a key is text or bytes
log.append({ value: flight, key: 7 }).catch(() => undefined);
// @ts-expect-error headers are text or bytes
log.append({ value: flight, headers: { a: 1 } }).catch(() => undefined);
// @ts-expect-error there is no such level
log.append({ value: flight }, { durability: 'paranoid' }).catch(() => undefined);
// @ts-expect-error offsets are numbers
log.append({ value: flight }, { expectedOffset: 3n }).catch(() => undefined);

// Reading.
expectTypeOf<Log<Flight>['records']>().returns.toEqualTypeOf<
  AsyncGenerator<LogRecord<Flight>, void, void>
>();
expectTypeOf<Log<Flight>['batches']>().returns.toEqualTypeOf<
  AsyncGenerator<RecordBatch<Flight>, void, void>
>();
expectTypeOf<Log<Flight>['cursor']>().returns.toEqualTypeOf<LogCursor>();
expectTypeOf<Log<Flight>['read']>().returns.resolves.toEqualTypeOf<LogRecord<Flight> | null>();
expectTypeOf<
  Log<Flight, FlightInput>['read']
>().returns.resolves.toEqualTypeOf<LogRecord<Flight> | null>();
expectTypeOf<RecordBatch<Flight>>().toExtend<Iterable<LogRecord<Flight>>>();
expectTypeOf<LogRecord<Flight>['value']>().toEqualTypeOf<Flight | null>();
expectTypeOf<LogRecord<Flight>['key']>().toEqualTypeOf<string | null>();
expectTypeOf<LogRecord<Flight>['headers']>().toEqualTypeOf<ReadonlyMap<string, Uint8Array>>();
expectTypeOf<LogRecord<Flight>['valueView']>().returns.toEqualTypeOf<Uint8Array | null>();
const places: ReadFrom[] = [
  'earliest',
  'latest',
  7,
  { timestamp: 5 },
  { last: 3 },
  { offset: 7, epoch: 2 },
];
expectTypeOf(places).toExtend<ReadonlyArray<NonNullable<ReadOptions['from']>>>();
// @ts-expect-error a place needs both
log.records({ from: { offset: 7 } });
// @ts-expect-error a date is given as milliseconds
log.records({ from: { timestamp: new Date() } });
// @ts-expect-error the option is called `limit`
log.records({ max: 5 });

// The handle.
expectTypeOf(log).toExtend<AsyncDisposable>();
expectTypeOf(log.recovery).toEqualTypeOf<RecoveryReport>();
expectTypeOf<Log<Flight>['stats']>().returns.toEqualTypeOf<LogStats>();
expectTypeOf<Log<Flight>['retain']>().returns.resolves.toEqualTypeOf<RetentionResult>();
expectTypeOf<Log<Flight>['close']>().returns.resolves.toEqualTypeOf<void>();
expectTypeOf<RecoveryReport['gaps']>().toEqualTypeOf<readonly LogGap[]>();
expectTypeOf<LogStats['lastError']>().toBeUnknown();
// @ts-expect-error what a log says about itself cannot be set
log.endOffset = 7;

// Options: units in the names, null for never, seams from the package.
const options: LogOptions<Flight> = {
  codec: json(),
  durability: 'interval',
  flushMs: 100,
  retentionMs: null,
  segmentAgeMsMax: null,
  onCorruption: 'readonly',
  compression: 'zstd',
  compressionLevel: 3,
  fileSystem: new MemoryFileSystem(),
  clock: new ManualClock(),
  random: new SeededRandom(1),
};
expectTypeOf(openLog('d', options)).resolves.toEqualTypeOf<Log<Flight>>();
// @ts-expect-error an unknown option
openLog('d', { segmentBytes: 4096 }).catch(() => undefined);
// @ts-expect-error sizes are numbers of bytes
openLog('d', { segmentBytesMax: '64mb' }).catch(() => undefined);
expectTypeOf<CompressionName>().toEqualTypeOf<'none' | 'gzip' | 'zstd'>();
// @ts-expect-error there is no such compression
openLog('d', { compression: 'lz4' }).catch(() => undefined);
// @ts-expect-error a codec is an object
openLog('d', { codec: 'json' }).catch(() => undefined);
// @ts-expect-error a path is text
openLog(7).catch(() => undefined);

// A codec of one's own.
const dates: Codec<Date> = {
  id: 'date',
  encode: (date) => new Uint8Array([date.getDate()]),
  decode: (stored) => new Date(2026, 0, stored[0]),
};
expectTypeOf(openLog('d', { codec: dates })).resolves.toEqualTypeOf<Log<Date>>();

// Errors narrow by code.
if (isStoreError(error, 'ERR_VARVE_CORRUPT')) {
  expectTypeOf(error).toExtend<StoreError>();
  expectTypeOf(error.code).toEqualTypeOf<'ERR_VARVE_CORRUPT'>();
}
// @ts-expect-error there is no such code
isStoreError(error, 'ERR_VARVE_NOPE');
expectTypeOf<CorruptLogError['details']>().toEqualTypeOf<CorruptLogDetails>();
expectTypeOf<FailedError['code']>().toEqualTypeOf<'ERR_VARVE_FAILED'>();
expectTypeOf<StoreError['code']>().toEqualTypeOf<ErrorCode>();

// Tools.
expectTypeOf(verifyLog('d')).toEqualTypeOf<AsyncGenerator<VerifyEvent, void, void>>();
expectTypeOf(dumpSegment('f')).toEqualTypeOf<AsyncGenerator<DumpEvent, void, void>>();
