/** What is wrong with a store, as far as its files tell, for people and for scripts. */
import type { Health, HealthProblem, Store } from '../src/index.ts';
import { HealthBoard } from '../src/core/health-board.ts';
import { systemClock } from '../src/core/clock.ts';
import { QUARANTINE_BYTES_WARNED } from '../src/core/limits.ts';
import { nodeFileSystem } from '../src/io/node-file-system.ts';
import { LogDirectory } from '../src/log/log-directory.ts';
import { quarantineBytes } from '../src/log/quarantine.ts';
import { ExitCode } from './exit-codes.ts';
import { formatBytes } from './units.ts';

/** What the files tell of a store that is open to be read: failures are known to its owner alone. */
export async function lookAtHealth(store: Store): Promise<Health> {
  const board = new HealthBoard(systemClock);
  for (const problem of store.health().problems) raise(board, problem);
  for (const { name, partitionCount } of store.topics()) {
    const { partitions } = await store.topic(name);
    for (let partition = 0; partition < partitionCount; partition++) {
      const { path } = partitions.at(partition);
      const sizeBytes = await quarantineBytes(new LogDirectory(nodeFileSystem, path));
      if (sizeBytes <= QUARANTINE_BYTES_WARNED) continue;
      const message = `${name}/${partition} has ${formatBytes(sizeBytes)} in quarantine`;
      board.raise({ code: 'quarantine-large', topic: name, partition, message });
    }
  }
  return board.read();
}

/** What either of them tells. */
export function bothOf(one: Health, two: Health): Health {
  const board = new HealthBoard(systemClock);
  for (const problem of [...one.problems, ...two.problems]) raise(board, problem);
  return board.read();
}

/** One pair for the status, and two for each problem. */
export function healthPairs({ status, problems }: Health): [string, string][] {
  return [
    ['health', status],
    ...problems.flatMap(({ message, remedy }): [string, string][] => [
      ['', message],
      ['', `  ${remedy}`],
    ]),
  ];
}

/** A store that has failed is a failure; one that is degraded still works. */
export function exitCodeOf({ status }: Health): ExitCode {
  return status === 'failed' ? ExitCode.failure : ExitCode.ok;
}

function raise(board: HealthBoard, problem: HealthProblem): void {
  const { code, message, topic, partition, sinceMs } = problem;
  board.raise({
    code,
    message,
    sinceMs,
    ...(topic === null ? {} : { topic }),
    ...(partition === null ? {} : { partition }),
  });
}
