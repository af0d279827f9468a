import { pause } from 'bullmq/dist/cjs/scripts/index.js'
import type { HitKeys } from './keys.ts'
import { aroundBullmq, type RedisClient } from './lua.ts'

const pauseScript = aroundBullmq(pause, 'return bullmq(KEYS, ARGV)')

/** Whether hits may begin: BullMQ's own pause, which every worker on this Redis keeps to. Methods reject with what ioredis rejects with. */
export class RedisPause {
  readonly #redis: RedisClient
  readonly #keys: HitKeys
  /** Whether it was paused from here, and not resumed from here since; others may have. */
  #pausedHere = false

  constructor(redis: RedisClient, keys: HitKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Whether {@link holds} may be true. */
  get pausedHere(): boolean {
    return this.#pausedHere
  }

  async set(paused: boolean): Promise<void> {
    if (paused) this.#pausedHere = true
    const { wait, paused: waiting, meta, prioritized, events, delayed, marker } = this.#keys
    const lists = paused ? [wait, waiting] : [waiting, wait]
    // Each resume takes back a bounded part of what an older BullMQ set aside, and says how much is left.
    let left: unknown
    do {
      left = await pauseScript.run(this.#redis, [...lists, meta, prioritized, events, delayed, marker], [paused ? 'paused' : 'resumed', '1'])
    } while (typeof left === 'number' && left > 0)
    if (!paused) this.#pausedHere = false
  }

  /**
   * Whether a hit that Redis has just handed out must not begin: it may have been on its way when the pause was answered. Asks
   * Redis, after a pause from here.
   */
  async holds(): Promise<boolean> {
    if (!this.#pausedHere) return false
    this.#pausedHere = (await this.#redis.hexists(this.#keys.meta, 'paused')) === 1
    return this.#pausedHere
  }
}
