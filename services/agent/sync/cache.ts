import { join } from 'node:path'
import { z } from 'zod'
import { ReceivedConfigSchema } from '#lib/contract/config.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { writeAtomically } from '#lib/runtime/atomic-file.ts'
import { readChecked } from '#lib/runtime/stored-file.ts'
import type { HeldConfig } from './controller-link.ts'

/** The file that makes an agent this one and no other; in its DATA_DIR. */
export const INSTANCE_FILE = 'agent-instance.json'

const CachedSchema = z.object({ config: ReceivedConfigSchema, etag: z.string().nullable() })
const InstanceSchema = z.object({ instance_id: z.uuid() })

/** The config that the agent had when it last ran, so that its worker is served before any controller is reached. */
export class ConfigCache {
  readonly #path: string
  readonly #logger: Logger
  #failing = false
  #failed = 0

  constructor(dataDir: string, logger: Logger) {
    this.#path = join(dataDir, 'agent-cache.json')
    this.#logger = logger
  }

  /** How many writes failed since the start. */
  get figures(): { readonly failed: number } {
    return { failed: this.#failed }
  }

  /** What was cached; undefined where nothing (usable) is there. */
  load(): HeldConfig | undefined {
    const cached = readChecked(this.#path, CachedSchema, { what: 'the cached config', instead: 'the agent starts without it', logger: this.#logger })
    return typeof cached === 'string' ? undefined : cached
  }

  /** Writes the cache. A failure (a full disk) is logged once; the agent goes on with what it has in memory. */
  save(held: HeldConfig): void {
    try {
      writeAtomically(this.#path, held)
      if (this.#failing) this.#logger.info('config', 'the config can be cached again')
      this.#failing = false
    } catch (error) {
      this.#failed++
      if (!this.#failing)
        this.#logger.warn('config', 'the config cannot be cached: it would be missing after a restart without the controller', { path: this.#path, err: error })
      this.#failing = true
    }
  }
}

/**
 * The UUID that makes this agent the same one after a restart, whatever its address is by then.
 * @param make gives a new one for the first start
 */
export function instanceId(dataDir: string, logger: Logger, make: () => string): string {
  const path = join(dataDir, INSTANCE_FILE)
  const known = readChecked(path, InstanceSchema, { what: 'the file with the instance id', instead: 'the agent registers as a new one', logger })
  if (typeof known !== 'string') return known.instance_id
  const made = make()
  writeAtomically(path, { instance_id: made })
  return made
}
