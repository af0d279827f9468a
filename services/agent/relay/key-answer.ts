import { z } from 'zod'
import { identityOf } from '#lib/distribution/key-headers.ts'
import { ApiError } from '#lib/http/errors.ts'
import { failureOf } from '#lib/http/peer.ts'
import type { KeyAnswer } from './key-verdicts.ts'

/** The part of an answer to a check of a key that is read here. */
interface Answer {
  readonly status: number
  readonly headers: Headers
  clone(): { text(): Promise<string> }
  text(): Promise<string>
}

/** What only a controller or a relay answers, Go controllers too: a proxy's page has none of it. */
const SuccessSchema = z.object({ request_id: z.string(), status: z.literal(200), success: z.literal(true), data: z.unknown() })
const FailureSchema = z.object({
  request_id: z.string(),
  status: z.number(),
  success: z.literal(false),
  error: z.object({ code: z.string(), message: z.string() }),
})

const opaque = (etag: string): string => etag.replace(/^W\//, '').replaceAll('"', '')

/**
 * Whether a read of the latest config says that its key is accepted, and whose it is. Only an answer that a controller gives counts: what
 * stands before one that is away answers 200 and 404 to any key.
 * @param etag that was sent; null: none
 * @throws ApiError RELAY_LOOP, OVERLOADED as they come from above
 * @throws PeerError where the answer says nothing of the key
 */
export async function keyAccepted(answer: Answer, etag: string | null): Promise<KeyAnswer> {
  const accepted = () => ({ accepted: true, identity: identityOf(answer.headers) }) as const
  if (answer.status === 304) {
    const its = answer.headers.get('ETag')
    if (etag !== null && its !== null && opaque(its) === opaque(etag)) return accepted()
    throw await failureOf(answer)
  }
  const body = parseJson(await answer.clone().text())
  if (answer.status === 200 && SuccessSchema.safeParse(body).success) return accepted()
  const failure = FailureSchema.safeParse(body)
  if (!failure.success || failure.data.status !== answer.status) throw await failureOf(answer)
  const { code, message } = failure.data.error
  if (answer.status === 401 || answer.status === 403) return { accepted: false }
  if (answer.status === 404 && code === 'NOT_FOUND') return accepted()
  if (code === 'RELAY_LOOP') throw new ApiError('RELAY_LOOP', message)
  if (code === 'OVERLOADED') throw new ApiError('OVERLOADED', message, { headers: { 'Retry-After': answer.headers.get('Retry-After') ?? '1' } })
  throw await failureOf(answer)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
