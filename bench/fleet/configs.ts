import { createHash } from 'node:crypto'
import { z } from 'zod'

const ConfigSchema = z.object({ id: z.string().optional(), version: z.number().int(), data: z.record(z.string(), z.unknown()) })
const EnvelopeSchema = z.object({ data: ConfigSchema })

/** A config as far as an agent needs it to go on. */
export interface FetchedConfig {
  readonly version: number
  readonly id: string | undefined
  /** Of id and data: the same for everybody who holds this version. */
  readonly digest: string
}

/** How many texts are remembered: those of a version or two, as events and as answers. */
const REMEMBERED = 8

/** What of an answer is the same for all: everything but the request id, which comes before. */
const commonPart = (text: string): string => text.slice(Math.max(0, text.indexOf('"data":')))

function digestOf({ id, data }: z.output<typeof ConfigSchema>): string {
  return createHash('sha256')
    .update(JSON.stringify([id, data]))
    .digest('hex')
    .slice(0, 16)
}

/**
 * Reads configs for all agents of a process. Thousands get the same bytes: what was read once is known by its text,
 * compared in full, so that each agent's bytes are checked for next to nothing.
 */
export class ConfigReader {
  readonly #known = new Map<string, FetchedConfig>()
  readonly #digests = new Map<number, string>()

  /** By version, what agents were given. */
  get digests(): ReadonlyMap<number, string> {
    return this.#digests
  }

  /** The `data` of an event. @throws Error where it is no config, or not the one that others were given as this version */
  event(text: string): FetchedConfig {
    return this.#known.get(text) ?? this.#read(text, text, ConfigSchema)
  }

  /** The body of a 200 or 201. @throws Error as {@link event} */
  answer(text: string): FetchedConfig {
    const common = commonPart(text)
    return (
      this.#known.get(common) ??
      this.#read(
        common,
        text,
        EnvelopeSchema.transform(({ data }) => data),
      )
    )
  }

  #read(key: string, text: string, schema: z.ZodType<z.output<typeof ConfigSchema>>): FetchedConfig {
    const config = schema.parse(JSON.parse(text))
    const digest = digestOf(config)
    const { version, id } = config
    const before = this.#digests.get(version) ?? digest
    if (before !== digest) throw new Error(`version ${version} came with other bytes than before: ${text.slice(0, 500)}`)
    this.#digests.set(version, digest)
    const oldest = this.#known.keys().next()
    if (this.#known.size >= REMEMBERED && !oldest.done) this.#known.delete(oldest.value)
    const fetched = { version, id, digest }
    this.#known.set(key, fetched)
    return fetched
  }
}
