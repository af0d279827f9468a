/** The head of an answer. */
export interface AnswerHead {
  readonly status: number
  /** Status line and headers in Latin-1, with the last CRLF. */
  readonly text: string
}

/** What a reader tells of. Bytes are only lent: they are overwritten after the call. */
export interface AnswerHandler {
  onHead(head: AnswerHead): void
  onBody(bytes: Buffer): void
  /** The answer is complete. */
  onEnd(): void
}

/** A head larger than this is no answer of a controller, in bytes. */
const MAX_HEAD_BYTES = 64 * 1024

/**
 * The value of a header; undefined where it is not there.
 * @param name in any case
 */
export function headerOf(head: AnswerHead, name: string): string | undefined {
  const at = head.text.toLowerCase().indexOf(`\r\n${name.toLowerCase()}:`)
  if (at === -1) return undefined
  const from = at + name.length + 3
  return head.text.slice(from, head.text.indexOf('\r\n', from)).trim()
}

type Phase = 'head' | 'fixed' | 'size' | 'chunk' | 'chunk end' | 'trailer'

/**
 * Reads HTTP/1.1 answers from bytes as they come, in whatever pieces: with Content-Length, in chunks, or without a body
 * (304, 204). One for each connection; what an answer needs and no more, since tens of thousands read at once.
 */
export class HttpReader {
  readonly #handler: AnswerHandler
  #phase: Phase = 'head'
  #held: Buffer | undefined
  /** Bytes that are still to come, of the body or of the chunk. */
  #left = 0

  constructor(handler: AnswerHandler) {
    this.#handler = handler
  }

  /**
   * Takes the next bytes.
   * @throws Error where they are no HTTP/1.1 with a length
   */
  push(chunk: Buffer): void {
    const bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = undefined
    for (let at = 0; at < bytes.length; ) {
      const next = this.#phase === 'fixed' || this.#phase === 'chunk' ? this.#body(bytes, at) : this.#line(bytes, at)
      if (next === undefined) {
        this.#held = Buffer.from(bytes.subarray(at))
        return
      }
      at = next
    }
  }

  /** Hands on what there is of the body. @returns where it goes on */
  #body(bytes: Buffer, at: number): number {
    const end = Math.min(at + this.#left, bytes.length)
    this.#left -= end - at
    this.#handler.onBody(bytes.subarray(at, end))
    if (this.#left > 0) return end
    if (this.#phase === 'chunk') this.#phase = 'chunk end'
    else this.#end()
    return end
  }

  /** Reads what ends with a CRLF: the head, or a line between chunks. @returns where it goes on; undefined where it is not whole */
  #line(bytes: Buffer, at: number): number | undefined {
    const mark = this.#phase === 'head' ? '\r\n\r\n' : '\r\n'
    const end = bytes.indexOf(mark, at, 'latin1')
    if (end === -1) {
      if (bytes.length - at > MAX_HEAD_BYTES) throw new Error(`no end of line within ${MAX_HEAD_BYTES} bytes: ${shown(bytes, at)}`)
      return undefined
    }
    if (this.#phase === 'head') this.#head(bytes.toString('latin1', at, end + 2))
    else if (this.#phase === 'size') this.#size(bytes.toString('latin1', at, end))
    else if (this.#phase === 'trailer') {
      if (end === at) this.#end()
    } else if (end === at) this.#phase = 'size'
    else throw new Error(`a chunk that is longer than its size: ${shown(bytes, at)}`)
    return end + mark.length
  }

  #head(text: string): void {
    const status = Number(/^HTTP\/1\.1 (\d{3})(?: |\r)/.exec(text)?.[1])
    if (Number.isNaN(status)) throw new Error(`an answer that is not HTTP/1.1: ${JSON.stringify(text.slice(0, 200))}`)
    const head = { status, text }
    this.#handler.onHead(head)
    if (status === 304 || status === 204) {
      this.#end()
      return
    }
    if (headerOf(head, 'transfer-encoding')?.toLowerCase() === 'chunked') {
      this.#phase = 'size'
      return
    }
    const length = headerOf(head, 'content-length') ?? ''
    if (!/^\d+$/.test(length)) throw new Error(`an answer without a length: ${JSON.stringify(text.slice(0, 200))}`)
    this.#left = Number(length)
    this.#phase = 'fixed'
    if (this.#left === 0) this.#end()
  }

  #size(line: string): void {
    const hex = /^[\da-f]+(?=;|$)/i.exec(line)?.[0]
    if (hex === undefined) throw new Error(`a chunk without a size: ${JSON.stringify(line.slice(0, 200))}`)
    this.#left = Number.parseInt(hex, 16)
    this.#phase = this.#left === 0 ? 'trailer' : 'chunk'
  }

  #end(): void {
    this.#phase = 'head'
    this.#handler.onEnd()
  }
}

const shown = (bytes: Buffer, at: number): string => JSON.stringify(bytes.toString('latin1', at, at + 200))
