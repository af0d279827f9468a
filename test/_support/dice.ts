import { randomInt } from 'node:crypto'
import { onTestFailed } from 'vitest'

/** How many rounds a bad day has: `normal`, or what BAD_DAYS_ROUNDS says for a long run. */
export const rounds = (normal: number): number => Number(process.env.BAD_DAYS_ROUNDS || normal)

/** Randomness of a test: one seed gives one run, and a test that fails says which it was. */
export class Dice {
  #state: number

  /** Takes the seed of BAD_DAYS_SEED, or a new one; call it in the test itself. */
  constructor() {
    const seed = Number(process.env.BAD_DAYS_SEED || randomInt(2 ** 31))
    this.#state = seed
    onTestFailed(() => console.error(`The seed was ${seed}; BAD_DAYS_SEED=${seed} throws the same dice again`))
  }

  /** A number in [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from `min` to `max`. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  /** A text of up to `max` characters that JSON and UTF-8 have to take care of. */
  text(max: number): string {
    const signs = ['a', '"', '\\', '\n', '\u2028', 'ü', '€', '😀', ' ', '\u0000']
    return Array.from({ length: this.whole(0, max) }, () => signs[this.whole(0, signs.length - 1)]).join('')
  }
}
