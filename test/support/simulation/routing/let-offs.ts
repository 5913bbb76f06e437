/** What destinations were let off: of that they may lack what they had not got. */

export class LetOff {
  readonly exchangeId: number;
  readonly topicId: number;
  /** Of the source: what is published from there on must arrive. */
  belowOffset = Number.POSITIVE_INFINITY;
  /** Records that do not come; null = nobody was told. */
  count: number | null = null;

  constructor(exchangeId: number, topicId: number) {
    this.exchangeId = exchangeId;
    this.topicId = topicId;
  }

  end(belowOffset: number, count: number | null): void {
    this.belowOffset = belowOffset;
    this.count = count;
  }
}

export class LetOffs {
  readonly #all: LetOff[] = [];

  begin(exchangeId: number, topicId: number): LetOff {
    const letOff = new LetOff(exchangeId, topicId);
    this.#all.push(letOff);
    return letOff;
  }

  /** Nothing of an exchange that stands behind its end now was skipped by those that were begun. */
  reopened(exchangeId: number, endOffset: number): void {
    for (const letOff of this.#all) {
      if (letOff.exchangeId !== exchangeId) continue;
      letOff.belowOffset = Math.min(letOff.belowOffset, endOffset);
    }
  }

  /** Below this offset a record need not arrive. */
  belowOffset(exchangeId: number, topicId: number): number {
    return Math.max(0, ...this.#of(exchangeId, topicId).map((one) => one.belowOffset));
  }

  /** How many records may be missing; null = nobody knows. */
  countMax(exchangeId: number, topicId: number): number | null {
    let sum = 0;
    for (const { count } of this.#of(exchangeId, topicId)) {
      if (count === null) return null;
      sum += count;
    }
    return sum;
  }

  #of(exchangeId: number, topicId: number): readonly LetOff[] {
    return this.#all.filter((one) => one.exchangeId === exchangeId && one.topicId === topicId);
  }
}
