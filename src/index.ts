/** Varve's public API: explicit names, nothing else. */
export { openStore } from './store/open-store.ts';
export type { GroupListing } from './store/group-listings.ts';
export type {
  Producer,
  ProducerAppendOptions,
  ProducerBatchOptions,
  ProducerOptions,
  ProducerSendOptions,
} from './store/producer.ts';
export type { ProducerPosition, TopicProducer } from './topic/producer-position.ts';
export type {
  ProducerDefaultPublishOptions,
  ProducerDefaultPublishResult,
  ProducerPublishOptions,
  ProducerPublishResult,
} from './store/producer-publish.ts';
export type { ProducerAppendResult, ProducerBatchResult } from './topic/producer-results.ts';
export type { ProducerGaps, ProducerListing, ProducerTopic } from './topic/producers.ts';
export type { CompactionRun } from './store/compaction-history.ts';
export type { Store } from './store/store.ts';
export type { StoreStats } from './store/store-stats.ts';
export type { Health, HealthProblem, ProblemCode } from './core/health-board.ts';
export type { GroupPlace, LogPlace, RecordPlace, StoreEvents } from './topic/store-events.ts';
export type { StoreOnCorruption, StoreOptions } from './store/store-options.ts';
export type { StoreQueue as Queue } from './store/store-queue.ts';
export type { StoreTopic as Topic } from './store/store-topic.ts';
export type {
  PartitionCompaction,
  PartitionCompactionPlan,
  PartitionCompactionProgress,
  TopicCompactOptions,
} from './store/topic-compaction.ts';
export type { TopicDescription } from './topic/topic-description.ts';
export type { CompactionBounds, CompactionConfig } from './log/compaction-options.ts';
export type { TableChange } from './topic/table-changes.ts';
export type {
  TableChangesOptions,
  TableOptions,
  TablePlace,
  TablePosition,
  TableStats,
} from './topic/table-options.ts';
export type { TopicTable } from './topic/topic-table.ts';
export type { DedupConfig } from './topic/dedup-options.ts';
export type { TopicDeletion } from './topic/topic-deletions.ts';
export type { Partitioner, TopicConfig, TopicOptions } from './topic/topic-options.ts';
export type { TopicReadOptions } from './topic/topic-reads.ts';
export type { UnfinishedConfig } from './topic/unfinished-options.ts';
export type { UnfinishedCount } from './topic/unfinished-passed.ts';
export type {
  PlacedRecords,
  TopicAppendBatchResult,
  TopicAppendOptions,
  DuplicateRecord,
  TopicAppendResult,
  TopicRecordInput,
} from './topic/topic-results.ts';
export type { CommitOptions, CommitPosition } from './group/commit-positions.ts';
export type { ConsumerGroup } from './group/consumer-group.ts';
export type { GroupDescription } from './group/groups.ts';
export type { PartitionLag, PartitionReset, ResetOptions, ResetTo } from './group/group-admin.ts';
export type { AutoCommit, GroupOptions, GroupReadOptions } from './group/group-options.ts';
export type { ProcessContext, ProcessHandler, ProcessOptions } from './group/process-batches.ts';
export type { StartFrom } from './topic/start-position.ts';
export type { BrowsedRecord, BrowsedState, BrowseOptions, RecordRef } from './queue/browse.ts';
export type { Delivery, ReleaseOptions } from './queue/delivery.ts';
export { Reject, RetryAfter } from './queue/handler-errors.ts';
export type { QueueOptions, SendOptions } from './queue/queue.ts';
export type {
  RedriveEdit,
  RedriveOptions,
  RedriveProgress,
  RedriveReport,
  RedriveSkip,
} from './queue/redrive-options.ts';
export type { AcquireOptions, DeliveriesOptions } from './queue/share-calls.ts';
export type {
  DescribeOptions,
  LeaseDescription,
  ShareGroupDescription,
  ShareGroupListing,
} from './queue/share-listing.ts';
export type { ShareGroup } from './queue/share-group.ts';
export type { ShareConfig, ShareGroupOptions, ShareSettings } from './queue/share-settings.ts';
export type { ShareStats } from './queue/share-stats.ts';
export {
  exponential,
  fixed,
  linear,
  type ExponentialOptions,
  type Jitter,
  type LinearOptions,
  type RetryPolicy,
} from './queue/retry-policy.ts';
export type { DrainOptions, Worker } from './queue/worker.ts';
export type {
  BatchHandler,
  BatchOptions,
  Handler,
  HandlerContext,
  TransactionalBatchHandler,
  TransactionalContext,
  TransactionalHandler,
  WorkerOptions,
} from './queue/worker-options.ts';
export type { WorkerStats } from './queue/worker-stats.ts';

export type { ExchangeType } from './routing/binding.ts';
export type { BindingDescription, Exchange } from './routing/exchange.ts';
export type { RouteExplanation, RouteMatch, RouteStep } from './routing/named-route.ts';
export type { SimulatedRecord, SimulateOptions, WhatIf } from './routing/what-if.ts';
export type { SimulationSummary } from './routing/route-tally.ts';
export type {
  DocumentBinding,
  DocumentExchange,
  TopologyDocument,
} from './routing/topology-document.ts';
export type {
  DefaultExchange,
  DefaultPublishOptions,
  DefaultPublishResult,
  TransactionDefaultPublishOptions,
} from './routing/default-exchange.ts';
export type { ExchangeDescription } from './routing/exchange-catalog.ts';
export type {
  BindingInput,
  BindOptions,
  DestinationInput,
  ExchangeOptions,
  OpenExchangeOptions,
} from './routing/exchange-options.ts';
export type { BackfillLag, DestinationLag, ExchangeStats } from './routing/exchange-stats.ts';
export type { HeaderConditionsInput } from './routing/header-conditions.ts';
export type { RebuildOptions, RebuildReport, RebuiltPartition } from './routing/rebuild.ts';
export type {
  Confirmation,
  PublishBatchOptions,
  DuplicatePublish,
  PublishBatchResult,
  PublishInput,
  PublishOptions,
  PublishResult,
  TransactionPublishOptions,
} from './routing/publish-options.ts';

export { openLog } from './log/open-log.ts';
export type { Log } from './log/log.ts';
export type { DurabilityLevel, LogOptions } from './log/log-options.ts';
export type { AppendBatchResult, AppendOptions, AppendResult } from './log/append-result.ts';
export type { RecordInput } from './log/record-input.ts';
export type { HeadersInput } from './format/record-headers.ts';
export type { ReadFrom, ReadOptions } from './log/read-options.ts';
export type {
  DeadLetterCause,
  ProjectedCause,
  RecordCause,
  RedrivenCause,
} from './log/record-cause.ts';
export type {
  CompactionPlan,
  CompactionProgress,
  CompactionResult,
  CompactOptions,
} from './log/compact-options.ts';
export type { CompactionLimit, CompactionReason } from './log/compaction-plan.ts';
export type { CompactedSegments } from './log/compaction-tally.ts';
export type { CompactionStats } from './log/compactor.ts';
export type { LogRecord, RecordBatch } from './log/record.ts';
export type { LogCursor } from './log/log-cursor.ts';
export type { LogStats } from './log/log-stats.ts';
export type { LogGap, RecoveryReport } from './log/recovery-report.ts';
export type { RetentionResult } from './log/trimmer.ts';
export type { OnCorruption } from './log/log-loader.ts';
export { verifyLog, type VerifyEvent, type VerifyOptions } from './log/verify.ts';
export { dumpSegment, type DumpEvent, type DumpOptions } from './log/segment-dump.ts';
export type { BatchHeader } from './format/batch-header.ts';
export type { ProducedRecords, SequenceRun } from './format/produced-extension.ts';
export type { CompressionName } from './format/compression.ts';
export type { SegmentHeader } from './format/segment-header.ts';

export type { Transaction, Transaction as DeliveryTransaction } from './transaction/transaction.ts';
export type {
  Committed,
  TransactionAppendOptions,
  TransactionConfirmation,
  TransactionOptions,
  TransactionProducedSendOptions,
  TransactionProduceOptions,
  TransactionSendOptions,
} from './transaction/transaction-options.ts';
export type { TransactionCounts } from './transaction/transaction-counts.ts';
export type { OpenTransaction } from './transaction/transaction-registry.ts';
export type { TransactionListing, UnsyncedCommit } from './store/transaction-listing.ts';

export { bytes, json, utf8, type Codec } from './codec/codec.ts';
export { msgpack } from './codec/msgpack.ts';
export { schema } from './codec/schema.ts';

export { ManualClock, systemClock, type Clock, type Timer } from './core/clock.ts';
export { SeededRandom, systemRandom, type Random } from './core/random.ts';
export { MemoryFileSystem } from './io/memory-file-system.ts';
export type {
  ControlEndpoint,
  ControlOptions,
  DirectoryLock,
  File,
  FileKind,
  FileStat,
  FileSystem,
  LockChoice,
  LockOptions,
  LockState,
  OpenMode,
} from './io/file-system.ts';

export { AssertionError } from './core/assert.ts';
export {
  BackpressureError,
  ClosedError,
  CodecError,
  CodecUnavailableError,
  ConflictError,
  CorruptLogError,
  DiskFullError,
  ERROR_CODES,
  FailedError,
  InvalidValueError,
  IoError,
  isStoreError,
  LockedError,
  LockUnavailableError,
  NotFoundError,
  OffsetOutOfRangeError,
  ReadOnlyError,
  StoreError,
  TooLargeError,
  UnsupportedVersionError,
  WrongOffsetError,
  type CorruptionKind,
  type CorruptLogDetails,
  type ErrorCode,
  type IoDetails,
  type LockHolder,
  type OffsetRangeDetails,
  type UnavailableMechanism,
} from './core/errors.ts';
export { SequenceGapError } from './core/producer-errors.ts';
export {
  FencedError,
  LeaseLostError,
  type FencedDetails,
  type LeaseEnd,
} from './core/ownership-errors.ts';
export { TransactionEndedError, type TransactionEnd } from './core/transaction-errors.ts';
export { BadPatternError, NotRebuildableError, UnroutableError } from './core/routing-errors.ts';
