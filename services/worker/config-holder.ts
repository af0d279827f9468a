import { join } from 'node:path'
import { z } from 'zod'
import { DataRequestSchema, type HitRequest } from '#lib/contract/hit-request.ts'
import { DataScheduleSchema, type Schedule } from '#lib/contract/schedule.ts'
import { type WorkerConfig, type WorkerConfigRequest, WorkerConfigSchema } from '#lib/contract/worker.ts'
import { ApiError } from '#lib/http/errors.ts'
import { configFields } from '#lib/observe/config-fields.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { writeAtomically } from '#lib/runtime/atomic-file.ts'
import { readChecked } from '#lib/runtime/stored-file.ts'

const StoredSchema = z.object({
  config: WorkerConfigSchema,
  /** The highest version accepted with `if_newer`; what a script posts does not move it. */
  accepted_version: z.number().int(),
})

/** A `data.request` as it was checked when the config was taken; undefined where there is none. */
const requestOf = (value: unknown): HitRequest | undefined => (value === undefined ? undefined : DataRequestSchema.safeParse(value).data)

/** A `data.schedule` in the same way. */
const scheduleOf = (value: unknown): Schedule | undefined => (value === undefined ? undefined : DataScheduleSchema.safeParse(value).data)

/** By which request a config came, and in which trace. */
export type ConfigOrigin = Pick<WorkerConfig, 'request_id' | 'traceparent'>

/** The config that the worker runs, kept on disk so that a restart serves hits before any agent has called. */
export class ConfigHolder {
  readonly #path: string
  readonly #logger: Logger
  #config: WorkerConfig | undefined
  #request: HitRequest | undefined
  #schedule: Schedule | undefined
  #onAccepted: () => void = () => {}
  #acceptedVersion = -1

  /** Reads what an earlier run left; a damaged file is set aside with a warning. */
  constructor(dataDir: string, logger: Logger) {
    this.#path = join(dataDir, 'worker-config.json')
    this.#logger = logger
    const stored = readChecked(this.#path, StoredSchema, { what: 'the stored config', instead: 'the worker waits for its agent', logger })
    if (typeof stored === 'string') return
    this.#hold(stored.config)
    this.#acceptedVersion = stored.accepted_version
    logger.info('config', 'config read from disk', configFields(stored.config))
  }

  /** The config held; undefined before the first. */
  get current(): WorkerConfig | undefined {
    return this.#config
  }

  /** The same without whose request brought it: what its hits are made from. */
  get content(): Omit<WorkerConfig, keyof ConfigOrigin> | undefined {
    if (this.#config === undefined) return undefined
    const { request_id: _id, traceparent: _trace, ...content } = this.#config
    return content
  }

  /** The `data.request` of the config held, read once and not for every hit. */
  get request(): HitRequest | undefined {
    return this.#request
  }

  /** The `data.schedule` of the config held. */
  get schedule(): Schedule | undefined {
    return this.#schedule
  }

  /** Says who is told of each config that is in use from then on. */
  onAccepted(listener: () => void): void {
    this.#onAccepted = listener
  }

  /**
   * Takes a config: on the disk first, in use only then.
   * @param ifNewer true: refuse a version older than the last one accepted this way; false: take it, and count
   *   from it (a controller that was restored went back); undefined: take it and count on as before (a script)
   * @param origin is kept beside it
   * @throws ApiError STALE_VERSION; STORE_UNAVAILABLE where it cannot be written, the old one then stays in use
   */
  accept(request: WorkerConfigRequest, ifNewer: boolean | undefined, origin: ConfigOrigin = {}): WorkerConfig {
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
      ...origin,
    }
    const acceptedVersion = ifNewer === undefined ? this.#acceptedVersion : request.version
    this.#write(config, acceptedVersion)
    this.#hold(config)
    this.#acceptedVersion = acceptedVersion
    this.#logger.info('config', 'config received', { ...configFields(config), ...(ifNewer === undefined ? {} : { if_newer: ifNewer }) })
    this.#onAccepted()
    return config
  }

  #hold(config: WorkerConfig): void {
    this.#config = config
    this.#request = requestOf(config.data.request)
    this.#schedule = scheduleOf(config.data.schedule)
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
