import { join } from 'node:path'
import { z } from 'zod'
import { type WorkerConfig, type WorkerConfigRequest, WorkerConfigSchema } from '#lib/contract/worker.ts'
import { ApiError } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { readStored, setAside, writeAtomically } from '#lib/runtime/atomic-file.ts'

const StoredSchema = z.object({
  config: WorkerConfigSchema,
  /** The highest version accepted with `if_newer`; what a script posts does not move it. */
  accepted_version: z.number().int(),
})

/** The config that the worker runs, kept on disk so that a restart serves hits before any agent has called. */
export class ConfigHolder {
  readonly #path: string
  readonly #logger: Logger
  #config: WorkerConfig | undefined
  #acceptedVersion = -1

  /** Reads what an earlier run left; a damaged file is set aside with a warning. */
  constructor(dataDir: string, logger: Logger) {
    this.#path = join(dataDir, 'worker-config.json')
    this.#logger = logger
    const stored = readStored(this.#path)
    if (stored.kind === 'none') return
    const parsed = stored.kind === 'value' ? StoredSchema.safeParse(stored.value) : undefined
    if (parsed?.success) {
      this.#config = parsed.data.config
      this.#acceptedVersion = parsed.data.accepted_version
      logger.info('config', 'config read from disk', { version: this.#config.version })
      return
    }
    const { movedTo, why } = stored.kind === 'corrupt' ? stored : setAside(this.#path, 'it does not hold a config')
    logger.warn('config', `the stored config cannot be used (${why}); it was moved to ${movedTo}, and the worker waits for its agent`)
  }

  /** The config held; undefined before the first. */
  get current(): WorkerConfig | undefined {
    return this.#config
  }

  /**
   * Takes a config: on the disk first, in use only then.
   * @param ifNewer true: refuse a version older than the last one accepted this way; false: take it, and count
   *   from it (a controller that was restored went back); undefined: take it and count on as before (a script)
   * @throws ApiError STALE_VERSION; STORE_UNAVAILABLE where it cannot be written, the old one then stays in use
   */
  accept(request: WorkerConfigRequest, ifNewer: boolean | undefined): WorkerConfig {
    if (ifNewer && request.version < this.#acceptedVersion) {
      throw new ApiError(
        'STALE_VERSION',
        `Cannot take version ${request.version}: version ${this.#acceptedVersion} was accepted before; send it with if_newer=false to go back on purpose`,
      )
    }
    const config: WorkerConfig = {
      ...(request.id === undefined ? {} : { id: request.id }),
      version: request.version,
      data: request.data,
      ...(request.poll_interval_seconds == null ? {} : { poll_interval_seconds: request.poll_interval_seconds }),
      ...(request.created_at == null ? {} : { created_at: request.created_at }),
    }
    const acceptedVersion = ifNewer === undefined ? this.#acceptedVersion : request.version
    this.#write(config, acceptedVersion)
    this.#config = config
    this.#acceptedVersion = acceptedVersion
    this.#logger.info('config', 'config received', { version: config.version, ...(ifNewer === undefined ? {} : { if_newer: ifNewer }) })
    return config
  }

  #write(config: WorkerConfig, acceptedVersion: number): void {
    try {
      writeAtomically(this.#path, { config, accepted_version: acceptedVersion })
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new ApiError(
        'STORE_UNAVAILABLE',
        `Cannot take version ${config.version}: it cannot be written to ${JSON.stringify(this.#path)} (${reason}); the config held before stays in use`,
        {
          headers: { 'Retry-After': '5' },
          cause: error,
        },
      )
    }
  }
}
