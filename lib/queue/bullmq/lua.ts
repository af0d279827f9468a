import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'

/** A client of either kind; which one it is makes a difference only where several keys are asked at once. */
export type RedisClient = Redis | Cluster

/** What a script is given. */
export type ScriptArgument = string | number | Buffer

/** A Lua script in Redis: what it does happens at once and as a whole, on one node. */
export class RedisScript {
  readonly #lua: string
  readonly #sha: string

  constructor(lua: string) {
    this.#lua = lua
    this.#sha = createHash('sha1').update(lua).digest('hex')
  }

  /**
   * Runs it, by its digest where Redis knows it.
   * @param keys on a Cluster all of one slot
   * @returns what the script returned, as ioredis reads it
   */
  run(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    return this.runAll(client, keys.length, [...keys, ...args])
  }

  /** As {@link run}, with the keys before the arguments. */
  async runAll(client: RedisClient, keys: number, all: ScriptArgument[]): Promise<unknown> {
    try {
      return await client.evalsha(this.#sha, keys, ...all)
    } catch (error) {
      // Once on each Redis, and again where it was restarted or another became the master: it did nothing then.
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return client.eval(this.#lua, keys, ...all)
    }
  }
}

/**
 * A script around one of BullMQ's, which is the function `bullmq(KEYS, ARGV)` in it, so that both happen at once. BullMQ's events
 * are left out: they are a tenth of what a hit costs Redis, and nobody here reads them.
 */
export const aroundBullmq = ({ content }: { readonly content: string }, lua: string): RedisScript =>
  new RedisScript(`local function unheard() end
local function bullmq(KEYS, ARGV)
${content.replaceAll(/\brcall\("(?=XADD|XTRIM)/g, 'unheard("')}
end
${lua}`)
