/**
 * Prints the quickstart's flights as CSV, from data/flights-20k.json of the npm package
 * vega-datasets 3.2.1. README.md says how flights.csv.gz is made with it.
 */
import { readFileSync } from 'node:fs';

const FIELDS = ['date', 'delay', 'distance', 'origin', 'destination'];
const [source] = process.argv.slice(2);
if (source === undefined) throw new Error('usage: make-flights.mjs <flights-20k.json>');

const flights = JSON.parse(readFileSync(source, 'utf8'));
const lines = [FIELDS, ...flights.map(toRow)].map((row) => row.join(','));
process.stdout.write(`${lines.join('\n')}\n`);

/** @param {Record<string, unknown>} flight */
function toRow(flight) {
  const row = FIELDS.map((field) => String(flight[field]));
  if (row.some((cell) => /[",\n]|^undefined$/.test(cell)))
    throw new Error(`cannot write ${row.join(' ')}`);
  return row;
}
