/** `varve dump <path>`: batches and headers as they stand on disk. */
import { Option } from 'commander';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';

export const dumpVerb: Verb<object> = {
  name: 'dump',
  summary: 'print batches and their headers',
  description: 'x',
  argument: { name: '<path>', description: 'a log directory, or one segment file' },
  options: [
    new Option('--records', 'print the records of each batch too'),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  examples: [
    { command: 'varve dump ./numbers', does: 'a line for each batch' },
    { command: 'varve dump ./00000000000000000000.log --records', does: 'a single copied segment' },
    {
      command: 'varve dump ./numbers --ndjson | jq \'select(.type == "damage")\'',
      does: 'damage only',
    },
  ],
  run: async () => ExitCode.ok,
};
