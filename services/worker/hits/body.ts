import type { Readable } from 'node:stream'

/** As much of an answer's body as is kept. */
export interface ReadBody {
  readonly bytes: Buffer
  /** Whether there was more than is kept. */
  readonly truncated: boolean
  /** A valid Content-Length, else the decoded bytes that were seen. */
  readonly size_bytes: number
}

/** A Content-Length as a number; undefined where it is none (RFC 9110, section 8.6). */
export function lengthOf(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,15}$/.test(header)) return undefined
  return Number(header)
}

/** Takes a body piece by piece, and keeps what is within the limit. */
export class BodyKeeper {
  readonly #limit: number
  readonly #declared: number | undefined
  readonly #kept: Buffer[] = []
  #seen = 0
  #over = false

  /**
   * @param limit in bytes
   * @param declared its Content-Length, where that counts the bytes that are added
   */
  constructor(limit: number, declared: number | undefined) {
    this.#limit = limit
    this.#declared = declared
  }

  /** @returns whether more is of use: false once there is more than is kept */
  add(chunk: Buffer): boolean {
    if (this.#seen < this.#limit) this.#kept.push(chunk.length <= this.#limit - this.#seen ? chunk : chunk.subarray(0, this.#limit - this.#seen))
    this.#seen += chunk.length
    this.#over = this.#seen > this.#limit || (this.#seen === this.#limit && (this.#declared ?? 0) > this.#limit)
    return !this.#over
  }

  read(): ReadBody {
    const [only] = this.#kept
    const bytes = this.#kept.length === 1 && only !== undefined ? only : Buffer.concat(this.#kept)
    return { bytes, truncated: this.#over, size_bytes: this.#declared ?? this.#seen }
  }
}

/**
 * Reads a decoded body up to a limit, and stops there: what comes after is neither decoded nor waited for.
 * @param limit in bytes
 * @throws the stream's error, zlib's among them
 */
export async function readDecoded(stream: Readable, limit: number): Promise<ReadBody> {
  const keeper = new BodyKeeper(limit, undefined)
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError(`Cannot read a body of ${typeof chunk}: expected bytes`)
    if (!keeper.add(chunk)) break
  }
  return keeper.read()
}
