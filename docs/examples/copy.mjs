// Copies a log into a topic, each record once, however often it is killed and started again.
//   node copy.mjs ./source ./store [--follow]
import { openLog, openStore } from 'varve';

const [, , from = './source', to = './store', follow] = process.argv;
const source = await openLog(from, { readOnly: true });
const store = await openStore(to);
const copy = await store.topic('copy', { partitions: 4 });

const producer = await store.producer('copy of source', { gaps: 'allow' });
const { resumeFrom } = await producer.last(copy); // below it nothing is missing

const batches = source.batches({
  from: Math.max(resumeFrom, source.startOffset),
  follow: follow === '--follow',
});
for await (const batch of batches) {
  const records = Array.from(batch);
  await producer.appendBatch(
    copy,
    records.map(({ key, value }) => ({ key, value })),
    { sequence: records.map(({ offset }) => offset) }, // its number there is its number here
  );
  console.log('copied below', batch.nextOffset);
}
await store.close();
