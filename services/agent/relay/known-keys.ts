import { join } from 'node:path'
import { z } from 'zod'
import { RoleSchema } from '#lib/contract/keys.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { writeAtomically } from '#lib/runtime/atomic-file.ts'
import { readChecked } from '#lib/runtime/stored-file.ts'
import { callerFrom, type KnownCaller } from './verdict.ts'

/** A key as it is kept: its salted digest, and whose it is. */
export interface KnownKey extends KnownCaller {
  readonly digest: string
}

const KeySchema = z.object({ digest: z.string(), id: z.string(), name: z.string(), role: RoleSchema, expires_at: z.number().nullable(), named: z.boolean() })
/** As it was before keys had roles: only digests. */
const OlderSchema = z.object({ salt: z.string(), digests: z.array(z.string()) })
const KnownKeysSchema = z.union([z.object({ salt: z.string(), keys: z.array(KeySchema) }), OlderSchema])

/** At most one write in this time, in ms, and more where there are many keys: a site's agents may all come at once. */
const SAVE_GAP_MS = 1000
const SAVE_GAP_MS_A_KEY = 0.2

/** The keys that a relay's controller has accepted, as salted digests on its disk: it serves them after a restart without it. */
export class KnownKeys {
  /** Goes in front of a key before it is digested, so that a digest is of no use elsewhere. */
  readonly salt: string
  readonly #path: string
  readonly #logger: Logger
  readonly #loaded: readonly KnownKey[]
  #failing = false
  /** What is to be written; undefined where all is. */
  #unsaved: (() => readonly KnownKey[]) | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param makeSalt gives a new one for the first start */
  constructor(dataDir: string, logger: Logger, makeSalt: () => string) {
    this.#path = join(dataDir, 'relay-keys.json')
    this.#logger = logger
    const instead = 'keys are asked about anew'
    const known = readChecked(this.#path, KnownKeysSchema, { what: 'the file of known keys', instead, logger })
    this.salt = typeof known === 'string' ? makeSalt() : known.salt
    this.#loaded = typeof known === 'string' ? [] : keysOf(known)
  }

  /** The keys of the earlier start. */
  load(): readonly KnownKey[] {
    return this.#loaded
  }

  /**
   * Writes them: at once, or a moment after the last time.
   * @param keys gives those there are then
   */
  save(keys: () => readonly KnownKey[]): void {
    this.#unsaved = keys
    if (this.#timer === undefined) this.flush()
  }

  /** Writes what is not written yet. A failure (a full disk) is logged once; the relay goes on with what it has in memory. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const keys = this.#unsaved?.()
    this.#unsaved = undefined
    if (keys === undefined) return
    this.#timer = setTimeout(() => this.flush(), SAVE_GAP_MS + keys.length * SAVE_GAP_MS_A_KEY).unref()
    try {
      writeAtomically(this.#path, { salt: this.salt, keys: keys.map(toStored) })
      this.#failing = false
    } catch (error) {
      if (!this.#failing)
        this.#logger.warn('config', 'the known keys cannot be kept: a restart without the controller would refuse them', { path: this.#path, err: error })
      this.#failing = true
    }
  }
}

const NEVER = Number.POSITIVE_INFINITY

const toStored = ({ expiresAt, ...rest }: KnownKey): z.input<typeof KeySchema> => ({ ...rest, expires_at: expiresAt === NEVER ? null : Math.round(expiresAt) })

function keysOf(known: z.output<typeof KnownKeysSchema>): KnownKey[] {
  // Those of an older release were accepted without a word of whose they are, and may what they might: until they are asked about.
  if ('digests' in known) return known.digests.map((digest) => ({ digest, ...callerFrom(undefined, digest, 0) }))
  return known.keys.map(({ expires_at, ...key }) => ({ ...key, expiresAt: expires_at ?? NEVER }))
}
