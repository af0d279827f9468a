import { Readable } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import { BodyKeeper, lengthOf, type ReadBody, readDecoded } from './body.ts'
import type { Deadline } from './deadline.ts'
import { codingsOf, decoded } from './decode.ts'
import { HitFailure } from './failure.ts'
import { locationOf } from './redirect.ts'
import type { Stopwatch } from './timings.ts'

/** The body of a redirect is read up to here, to keep the connection, and no further. */
const SKIPPED_BYTES = 16 * 1024

type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

/** An answer, its body read as far as it is kept. */
export interface Answer {
  readonly status: number
  /** Where it sends the request on to, where it is a redirect to be followed: its body is then left out. */
  readonly location: string | undefined
  /** A header by lower-case name, several lines of it joined; undefined where it is absent. */
  header(name: string): string | undefined
  /** All of them, by lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: ReadBody
  /** Whether all of it has come: else the connection is of no more use. */
  readonly complete: boolean
}

/** How an answer is read. */
export interface ExchangeOptions {
  /** How much of the body is kept, in bytes, decoded. */
  readonly limit: number
  readonly followsRedirects: boolean
  readonly watch: Stopwatch
  readonly deadline: Deadline
}

const nothing: ReadBody = { bytes: Buffer.alloc(0), truncated: false, size_bytes: 0 }

/**
 * One request and its answer, as undici's handler. The body is kept from undici's own pieces, with no stream in between; only
 * an encoded one goes through one. The Content-Length of an encoded answer counts other bytes than those kept, and is not told.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<Answer>
  readonly #options: ExchangeOptions
  #resolve: (answer: Answer) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #settled = false
  #ended = false
  #status = 0
  #headers: Headers = {}
  #location: string | undefined
  #keeper: BodyKeeper | undefined
  #encoded: Readable | undefined

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    options.deadline.ends((reason) => this.#fail(reason))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const { reason } = this.#options.deadline
    if (reason !== undefined) controller.abort(reason)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    // An interim answer: the one that counts is still to come.
    if (status < 200 || this.#settled) return
    const { watch, limit, followsRedirects } = this.#options
    watch.end('processing')
    this.#status = status
    this.#headers = headers
    const length = this.#header('content-length')
    if (followsRedirects) this.#location = locationOf(status, this.#header('location'))
    if (this.#location !== undefined) {
      if ((lengthOf(length) ?? Number.POSITIVE_INFINITY) > SKIPPED_BYTES) this.#finish(nothing)
      return
    }
    const codings = codingsOf(this.#header('content-encoding'))
    if (codings === undefined || codings.length === 0) this.#keeper = new BodyKeeper(limit, lengthOf(length))
    else this.#decode(controller, codings, limit)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return
    if (this.#keeper !== undefined) {
      if (!this.#keeper.add(chunk)) this.#finish(this.#keeper.read())
    } else if (this.#encoded?.push(chunk) === false) controller.pause()
  }

  onResponseEnd(): void {
    this.#ended = true
    if (this.#encoded !== undefined) this.#encoded.push(null)
    else this.#finish(this.#keeper?.read() ?? nothing)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    // undici says of any head that it cannot parse after a Content-Length that the length is wrong; there no body was due yet.
    const misnamed = this.#status === 0 && error instanceof errors.ResponseContentLengthMismatchError
    this.#fail(misnamed ? new HitFailure('invalid_response', 'the head of the answer is not valid HTTP/1.1', { cause: error }) : error)
  }

  #header(name: string): string | undefined {
    const value = this.#headers[name]
    return typeof value === 'object' ? value.join(', ') : value
  }

  #decode(controller: Dispatcher.DispatchController, codings: readonly string[], limit: number): void {
    const encoded = new Readable({ read: () => controller.resume() })
    // The error of a stream that nobody reads any more concerns nobody.
    encoded.on('error', () => {})
    this.#encoded = encoded
    decoded(encoded, codings)
      .then((stream) => readDecoded(stream, limit))
      .then(
        (body) => this.#finish(body),
        (error: unknown) => this.#fail(error),
      )
  }

  #finish(body: ReadBody): void {
    if (this.#settled) return
    this.#settled = true
    this.#options.watch.end('transfer')
    this.#resolve({ status: this.#status, location: this.#location, header: (name) => this.#header(name), headers: this.#headers, body, complete: this.#ended })
  }

  #fail(error: unknown): void {
    if (this.#settled) return
    this.#settled = true
    this.#encoded?.destroy(error instanceof Error ? error : undefined)
    this.#reject(error)
  }
}
