/** A log that several sides of a contest read; see `shared-directory.ts`. */
import { sharedDirectory } from './shared-directory.ts';
import { writeLog } from './records.ts';

export interface LogSize {
  readonly records: number;
  readonly valueBytes: number;
}

/** @param directory  the job's own @returns the log's directory */
export function sharedLog(directory: string, { records, valueBytes }: LogSize): Promise<string> {
  return sharedDirectory(directory, `log-${records}-of-${valueBytes}`, (path) =>
    writeLog(path, records, { valueBytes }),
  );
}
