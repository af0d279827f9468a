import type { HitRequest } from '#lib/contract/hit-request.ts'
import { HitFailure } from './failure.ts'

/** The secrets of this worker: HIT_SECRET_NAME variables, by NAME. */
export type Secrets = ReadonlyMap<string, string>

/** Which parts of a request hold a secret: they go to no other origin. */
export interface Confidential {
  /** By lower-case name. */
  readonly headers: ReadonlySet<string>
  readonly body: boolean
}

/** A request as it goes over the wire. No log line, error or result may hold it. */
export interface ReadyRequest {
  readonly request: HitRequest
  /** Absent where it refers to no secret. */
  readonly confidential?: Confidential
}

/** A header value as HTTP allows it: a line break in a secret would make a header of its own. */
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/

const refers = (text: string | undefined): boolean => text?.includes('${secret:') ?? false

/** Puts the secrets where a text refers to them. @throws HitFailure internal for a name that this worker does not have */
function replaced(text: string, secrets: Secrets): string {
  return text.replace(/\$\{secret:([A-Z0-9_]{1,64})\}/g, (_reference, name: string) => {
    const value = secrets.get(name)
    if (value !== undefined) return value
    const what = `its request refers to \${secret:${name}}, and this worker has no such secret`
    throw new HitFailure('internal', `${what}: set HIT_SECRET_${name} in the worker's environment and restart it, or correct the name in data.request`)
  })
}

/** The value of a header with its secrets. @throws HitFailure internal where no header can carry it */
function headerWith(name: string, text: string, secrets: Secrets): string {
  const value = replaced(text, secrets)
  if (headerValue.test(value)) return value
  const what = `a secret in its header ${name} holds a line break or another character that no header can carry`
  throw new HitFailure('internal', `${what}: correct the HIT_SECRET_ variable that the header refers to`)
}

/**
 * Puts the secrets in the place of the references in the header values and the body of a request.
 * @throws HitFailure internal for a secret that this worker does not have, or that cannot stand in a header
 */
export function withSecrets(request: HitRequest, secrets: Secrets): ReadyRequest {
  const { headers, body } = request
  const names = Object.keys(headers).filter((name) => refers(headers[name]))
  if (names.length === 0 && !refers(body)) return { request }
  const ready = { ...headers }
  for (const name of names) ready[name] = headerWith(name, headers[name] ?? '', secrets)
  return {
    request: { ...request, headers: ready, ...(body === undefined ? {} : { body: replaced(body, secrets) }) },
    confidential: { headers: new Set(names.map((name) => name.toLowerCase())), body: refers(body) },
  }
}
