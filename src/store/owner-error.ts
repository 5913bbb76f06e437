/** The error of another process, which has the store open. */
/** What the owner refused, or failed to do. */
export class OwnerError extends Error {
  /** As the owner's error had it; null when it had none. */
  readonly code: string | null;
  readonly details: unknown;

  constructor(message: string, { code, details }: { code: string | null; details: unknown }) {
    super(message);
    this.name = 'OwnerError';
    this.code = code;
    this.details = details;
  }
}
