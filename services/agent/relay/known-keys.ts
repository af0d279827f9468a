import { join } from 'node:path'
import { z } from 'zod'
import { roles } from '#lib/contract/keys.ts'
import { bootstrapCaller, type Caller } from '#lib/http/caller.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { writeAtomically } from '#lib/runtime/atomic-file.ts'
import { readChecked } from '#lib/runtime/stored-file.ts'

const CallerSchema = z.object({ id: z.string(), name: z.string(), role: z.enum(roles) })
/** An earlier release kept the digests alone, of keys that all might everything. */
const KnownKeySchema = z.union([
  z.string().transform((digest) => ({ digest, caller: bootstrapCaller })),
  z.object({ digest: z.string(), caller: CallerSchema }),
])
const KnownKeysSchema = z.object({ salt: z.string(), digests: z.array(KnownKeySchema) })

/** A key that was accepted: its salted digest, and whose it was. */
export interface KnownKey {
  readonly digest: string
  readonly caller: Caller
}

/** The keys that a relay's controller has accepted, as salted digests on its disk: it serves them after a restart without it. */
export class KnownKeys {
  /** Goes in front of a key before it is digested, so that a digest is of no use elsewhere. */
  readonly salt: string
  readonly #path: string
  readonly #logger: Logger
  readonly #known: readonly KnownKey[]
  #failing = false

  /** @param makeSalt gives a new one for the first start */
  constructor(dataDir: string, logger: Logger, makeSalt: () => string) {
    this.#path = join(dataDir, 'relay-keys.json')
    this.#logger = logger
    const instead = 'keys are asked about anew'
    const known = readChecked(this.#path, KnownKeysSchema, { what: 'the file of known keys', instead, logger })
    this.salt = typeof known === 'string' ? makeSalt() : known.salt
    this.#known = typeof known === 'string' ? [] : known.digests
  }

  /** Those of the earlier start. */
  load(): readonly KnownKey[] {
    return this.#known
  }

  /** Writes them. A failure (a full disk) is logged once; the relay goes on with what it has in memory. */
  save(digests: readonly KnownKey[]): void {
    try {
      writeAtomically(this.#path, { salt: this.salt, digests })
      this.#failing = false
    } catch (error) {
      if (!this.#failing)
        this.#logger.warn('config', 'the known keys cannot be kept: a restart without the controller would refuse them', { path: this.#path, err: error })
      this.#failing = true
    }
  }
}
