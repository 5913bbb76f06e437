/** The owner record in LOCK. */

/** Created once in each directory that a writer opened, and never deleted. */
export const LOCK_FILE_NAME = 'LOCK';
