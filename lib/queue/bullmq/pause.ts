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
  /** How many pauses have begun here, and the one that is on its way to Redis. */
  #pauses = 0
  #pausing: Promise<void> | undefined

  constructor(redis: RedisClient, keys: HitKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Whether {@link holds} may be true. */
  get pausedHere(): boolean {
    return this.#pausedHere
  }

  async set(paused: boolean): Promise<void> {
    if (!paused) {
      const pauses = this.#pauses
      await this.#tell(false)
      if (pauses === this.#pauses) this.#pausedHere = false
      return
    }
    this.#pausedHere = true
    this.#pauses += 1
    const pausing = this.#tell(true)
    this.#pausing = pausing
    try {
      await pausing
    } finally {
      if (this.#pausing === pausing) this.#pausing = undefined
    }
  }

  /**
   * Whether a hit that Redis has just handed out must not begin: it may have been on its way when the pause was answered. Asks
   * Redis, after a pause from here.
   */
  async holds(): Promise<boolean> {
    while (this.#pausedHere) {
      const [pauses, pausing] = [this.#pauses, this.#pausing]
      if ((await this.#redis.hexists(this.#keys.meta, 'paused')) === 1) return true
      // What Redis said may be older than a pause that is on its way: a script that it does not know yet is sent twice.
      if (pausing === undefined && pauses === this.#pauses) this.#pausedHere = false
      else await this.#pausing?.catch(() => {})
    }
    return false
  }

  async #tell(paused: boolean): Promise<void> {
    const { wait, paused: waiting, meta, prioritized, events, delayed, marker } = this.#keys
    const lists = paused ? [wait, waiting] : [waiting, wait]
    // Each resume takes back a bounded part of what an older BullMQ set aside, and says how much is left.
    let left: unknown
    do {
      left = await pauseScript.run(this.#redis, [...lists, meta, prioritized, events, delayed, marker], [paused ? 'paused' : 'resumed', '1'])
    } while (typeof left === 'number' && left > 0)
  }
}
