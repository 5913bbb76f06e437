/**
 * The process whose memory is measured: `node dedup-child.js STORE PARAMETERS`. Opens a filled store, appends
 * to it, and says what memory it had then, and at most.
 */
import type { DedupMemory, DedupParameters } from '../jobs/dedup.ts';
import { withDedup } from '../jobs/dedup-filled.ts';
import { RssWatch } from './rss-watch.ts';

/** At a time: what the caller holds is no memory of Varve's. */
const PART = 10_000;

const [path = '', text = ''] = process.argv.slice(2);
const parameters = JSON.parse(text) as DedupParameters;
const watch = new RssWatch();
const memory = await withDedup(path, parameters, async (topic): Promise<DedupMemory> => {
  await topic.appendFirst();
  for (let left = parameters.records; left > 0; left -= PART) {
    await topic.append(topic.make(PART), { ...parameters, records: PART });
  }
  const { peakRssBytes } = watch.figures();
  return { rssBytes: process.memoryUsage.rss(), peakRssBytes };
});
watch.stop();
process.stdout.write(JSON.stringify(memory));
