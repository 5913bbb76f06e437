/** Verbs of two words, by the first one: what help lists of each; its module is loaded when it is used. */
import { listVerb as verb, type VerbGroup } from './command.ts';

export const VERB_GROUPS: readonly VerbGroup[] = [
  {
    name: 'topics',
    about: 'the topics of a store',
    description: 'Work with the topics of a store.',
    verbs: [
      verb(
        'ls',
        '<store>',
        'list the topics of a store',
        async () => (await import('./commands/topics-ls.ts')).topicsLsVerb,
      ),
      verb(
        'describe',
        '<store> <topic>',
        'options and partitions of a topic',
        async () => (await import('./commands/topics-describe.ts')).topicsDescribeVerb,
      ),
      verb(
        'create',
        '<store> <topic>',
        'create a topic; a dry run unless --yes',
        async () => (await import('./commands/topics-create.ts')).topicsCreateVerb,
      ),
      verb(
        'alter',
        '<store> <topic>',
        'change options of a topic; a dry run unless --yes',
        async () => (await import('./commands/topics-alter.ts')).topicsAlterVerb,
      ),
      verb(
        'add-partitions',
        '<store> <topic> <total>',
        'more partitions for a topic; a dry run unless --yes',
        async () => (await import('./commands/topics-add-partitions.ts')).topicsAddPartitionsVerb,
      ),
      verb(
        'delete',
        '<store> <topic>',
        'delete a topic with its records; a dry run unless --yes',
        async () => (await import('./commands/topics-delete.ts')).topicsDeleteVerb,
      ),
    ],
  },
  {
    name: 'groups',
    about: 'the consumer groups of a store',
    description:
      'Work with the consumer groups of a store: how far behind they are, where they go on.',
    verbs: [
      verb(
        'ls',
        '<store>',
        'list consumer groups',
        async () => (await import('./commands/groups-ls.ts')).groupsLsVerb,
      ),
      verb(
        'describe',
        '<store> <group>',
        'how far a consumer group is behind',
        async () => (await import('./commands/groups-describe.ts')).groupsDescribeVerb,
      ),
      verb(
        'reset',
        '<store> <group>',
        "set a group's positions; a dry run unless --yes",
        async () => (await import('./commands/groups-reset.ts')).groupsResetVerb,
      ),
      verb(
        'delete',
        '<store> <group>',
        'forget a consumer group; a dry run unless --yes',
        async () => (await import('./commands/groups-delete.ts')).groupsDeleteVerb,
      ),
    ],
  },
  {
    name: 'queue',
    about: 'the queues of a store',
    description: 'Work with the queues of a store, and the share groups of its topics.',
    verbs: [
      verb(
        'create',
        '<store> <queue>',
        'create a queue; a dry run unless --yes',
        async () => (await import('./commands/queue-create.ts')).queueCreateVerb,
      ),
      verb(
        'ls',
        '<store>',
        'list queues and share groups',
        async () => (await import('./commands/queue-ls.ts')).queueLsVerb,
      ),
      verb(
        'stats',
        '<store> <queue>',
        'figures and settings of a queue',
        async () => (await import('./commands/queue-stats.ts')).queueStatsVerb,
      ),
      verb(
        'alter',
        '<store> <queue>',
        'change settings of a queue; a dry run unless --yes',
        async () => (await import('./commands/queue-alter.ts')).queueAlterVerb,
      ),
      verb(
        'peek',
        '<store> <queue>',
        'look at the first records, without leasing them',
        async () => (await import('./commands/queue-peek.ts')).queuePeekVerb,
      ),
      verb(
        'leases',
        '<store> <queue>',
        'records that are with a consumer',
        async () => (await import('./commands/queue-leases.ts')).queueLeasesVerb,
      ),
      verb(
        'send',
        '<store> <queue> [values...]',
        'send records: values, or stdin line by line',
        async () => (await import('./commands/queue-send.ts')).queueSendVerb,
      ),
      verb(
        'work',
        '<store> <queue> [arguments...]',
        'run a command for each record',
        async () => (await import('./commands/queue-work.ts')).queueWorkVerb,
      ),
      verb(
        'redrive',
        '<store> <queue>',
        'try dead records again; a dry run unless --yes',
        async () => (await import('./commands/queue-redrive.ts')).queueRedriveVerb,
      ),
      verb(
        'purge',
        '<store> <queue>',
        'settle all that waits in a queue; a dry run unless --yes',
        async () => (await import('./commands/queue-purge.ts')).queuePurgeVerb,
      ),
      verb(
        'pause',
        '<store> <queue>',
        'hand out no more records of a queue',
        async () => (await import('./commands/queue-pause.ts')).queuePauseVerb,
      ),
      verb(
        'resume',
        '<store> <queue>',
        'go on to hand out the records of a queue',
        async () => (await import('./commands/queue-pause.ts')).queueResumeVerb,
      ),
    ],
  },
  {
    name: 'exchanges',
    about: 'the exchanges of a store',
    description: 'Work with the exchanges of a store, which send records to queues and topics.',
    verbs: [
      verb(
        'ls',
        '<store>',
        'list the exchanges of a store',
        async () => (await import('./commands/exchanges-ls.ts')).exchangesLsVerb,
      ),
      verb(
        'describe',
        '<store> <exchange>',
        'one exchange, with its bindings',
        async () => (await import('./commands/exchanges-describe.ts')).exchangesDescribeVerb,
      ),
      verb(
        'create',
        '<store> <exchange>',
        'create an exchange; a dry run unless --yes',
        async () => (await import('./commands/exchanges-create.ts')).exchangesCreateVerb,
      ),
      verb(
        'alter',
        '<store> <exchange>',
        'change the alternate of an exchange; a dry run unless --yes',
        async () => (await import('./commands/exchanges-alter.ts')).exchangesAlterVerb,
      ),
      verb(
        'rebuild',
        '<store> <exchange> <destination>',
        'make again what is damaged of a destination; a dry run unless --yes',
        async () => (await import('./commands/exchanges-rebuild.ts')).exchangesRebuildVerb,
      ),
      verb(
        'delete',
        '<store> <exchange>',
        'delete an exchange with its bindings; a dry run unless --yes',
        async () => (await import('./commands/exchanges-delete.ts')).exchangesDeleteVerb,
      ),
      verb(
        'detach',
        '<store> <exchange> <destination>',
        'let a destination off what it has not got; a dry run unless --yes',
        async () => (await import('./commands/exchanges-detach.ts')).exchangesDetachVerb,
      ),
    ],
  },
  {
    name: 'bindings',
    about: 'the bindings of exchanges',
    description: 'Work with the bindings of a store, which say what exchanges send where.',
    verbs: [
      verb(
        'ls',
        '<store> [exchange]',
        'list the bindings of a store, or of an exchange',
        async () => (await import('./commands/bindings-ls.ts')).bindingsLsVerb,
      ),
      verb(
        'add',
        '<store> <exchange> <destination>',
        'bind a destination to an exchange; a dry run unless --yes',
        async () => (await import('./commands/bindings-add.ts')).bindingsAddVerb,
      ),
      verb(
        'rm',
        '<store> <exchange> <destination>',
        'end a binding; a dry run unless --yes',
        async () => (await import('./commands/bindings-rm.ts')).bindingsRmVerb,
      ),
    ],
  },
  {
    name: 'topology',
    about: 'exchanges and bindings as a whole',
    description: 'Work with the topology of a store: its exchanges and bindings as a whole.',
    verbs: [
      verb(
        'export',
        '<store>',
        'exchanges and bindings as a JSON document',
        async () => (await import('./commands/topology-export.ts')).topologyExportVerb,
      ),
      verb(
        'import',
        '<store> [file]',
        'make a topology what a document says; a dry run unless --yes',
        async () => (await import('./commands/topology-import.ts')).topologyImportVerb,
      ),
      verb(
        'graph',
        '<store>',
        'exchanges and bindings as a drawing: DOT or Mermaid',
        async () => (await import('./commands/topology-graph.ts')).topologyGraphVerb,
      ),
    ],
  },
  {
    name: 'transactions',
    about: 'the transactions of a store',
    description: 'Work with the transactions of a store: what is about to be committed.',
    verbs: [
      verb(
        'ls',
        '<store>',
        'list transactions that are not over, and commits on their way to logs',
        async () => (await import('./commands/transactions-ls.ts')).transactionsLsVerb,
      ),
    ],
  },
  {
    name: 'producers',
    about: 'the idempotent producers of a store',
    description:
      'Work with the idempotent producers of a store: who they are, how far they have come.',
    verbs: [
      verb(
        'ls',
        '<store>',
        'list producers, and how far each is in each topic',
        async () => (await import('./commands/producers-ls.ts')).producersLsVerb,
      ),
    ],
  },
  {
    name: 'retention',
    about: 'what a store lets go of by age, size and settling',
    description:
      'Work with retention: what a store deletes by itself because it is old, or too much.',
    verbs: [
      verb(
        'run',
        '<store> [topic]',
        'let go now of what retention lets go of; a dry run unless --yes',
        async () => (await import('./commands/retention-run.ts')).retentionRunVerb,
      ),
    ],
  },
  {
    name: 'journal',
    about: 'the journal of a store',
    description: 'Look into the journal of a store, which holds every change of its state.',
    verbs: [
      verb(
        'dump',
        '<store>',
        'print the journal, entry by entry',
        async () => (await import('./commands/journal-dump.ts')).journalDumpVerb,
      ),
    ],
  },
];
