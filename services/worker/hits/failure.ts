import type { HitErrorClass } from '#lib/contract/hit.ts'

/** An attempt that had no usable answer, already judged. */
export class HitFailure extends Error {
  override readonly name = 'HitFailure'
  readonly error_class: HitErrorClass

  /** @param message for people, without an address, a query string or a credential */
  constructor(errorClass: HitErrorClass, message: string, options?: ErrorOptions) {
    super(message, options)
    this.error_class = errorClass
  }
}

/** The reason of an attempt's signal where it was told to stop: by the drain, or since the executor closes. */
export class AttemptStopped extends Error {
  override readonly name = 'AttemptStopped'
}
