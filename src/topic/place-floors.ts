/**
 * By partition: below which place the entries of one generation of a dedup table are forgotten. Its shards
 * share one, so what is forgotten is so in all of them at once.
 */
const PLACES_MAX = 2 ** 32 - 1;

export class PlaceFloors {
  /** Up to 2^32 - 1, which is above all places. */
  places = new Uint32Array(0);
  /** Another one when something may be forgotten that was not before. */
  version = 0;

  /** Of a partition: it may be below 0, or above what a place can be. */
  set(partition: number, floor: number): void {
    if (partition >= this.places.length) this.#grow(partition + 1);
    const place = Math.min(Math.max(floor, 0), PLACES_MAX);
    if (place === this.places[partition]) return;
    this.places[partition] = place;
    this.version++;
  }

  #grow(partitions: number): void {
    const places = new Uint32Array(partitions);
    places.set(this.places);
    this.places = places;
  }
}
