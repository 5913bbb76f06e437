/** The public types of tables. `tsc --noEmit` is the test; nothing here runs. */
import type { LogRecord, TableChange, TableStats, Topic } from '../../src/index.ts';

interface Gate {
  readonly gate: string;
}

export async function tables(topic: Topic<Gate>): Promise<void> {
  const table = await topic.table({ bytesMax: 1024, partitions: [0] });
  const record: LogRecord<Gate> | null = await table.get('key');
  const value: Gate | null | undefined = record?.value;
  await table.get(Uint8Array.of(1));
  await table.reached(await topic.append({ key: 'key', value: { gate: 'B44' } }));
  const stats: TableStats = table.stats();
  const size: number = table.size + stats.positions.length;
  for await (const each of table.entries()) each.value?.gate.trim();
  for await (const change of table.changes({ from: 'start' })) {
    const typed: TableChange<Gate> = change;
    typed.record.value?.gate.trim();
  }
  // @ts-expect-error -- a key is text or bytes
  await table.get(1);
  // @ts-expect-error -- there is no such place
  table.changes({ from: 'end' });
  // @ts-expect-error -- it is made by a topic, and read only
  table.size = size;
  void value;
}
