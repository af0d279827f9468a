import type { z } from 'zod'
import { ErrorEnvelopeSchema } from '#lib/contract/envelope.ts'
import { PeerError, readData } from '#lib/http/peer.ts'
import { CliError, exitOf, exits } from './exit.ts'

/** The part of a typed client's answer that is read here. */
export interface Answer {
  readonly status: number
  readonly ok: boolean
  readonly headers: Headers
  text(): Promise<string>
}

/** The error that a service's answer stands for. */
export async function errorOf(answer: Answer): Promise<CliError> {
  const text = await answer.text().catch(() => '')
  try {
    const parsed = ErrorEnvelopeSchema.safeParse(JSON.parse(text))
    if (parsed.success) {
      const { code, message, details } = parsed.data.error
      return new CliError(exitOf(answer.status, code), message, { code, ...(details ? { details } : {}) })
    }
  } catch {
    // No envelope: a proxy's page, or another service.
  }
  return new CliError(answer.status >= 500 ? exits.unavailable : exits.data, `answered ${answer.status} with something that is no answer of this system`)
}

/**
 * Makes a call, and gives its answer where it is a success.
 * @param where the address, for the message where nobody answers
 * @throws CliError
 */
export async function reach<A extends Answer>(where: string, call: () => Promise<A>): Promise<A> {
  let answer: A
  try {
    answer = await call()
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    throw new CliError(exits.unavailable, `cannot reach ${where}: ${error.message}; does it run, and is that its address?`)
  }
  if (!answer.ok) throw await errorOf(answer)
  return answer
}

/**
 * Makes a call, and gives the data of its answer.
 * @throws CliError
 */
export async function ask<T extends z.ZodType>(where: string, call: () => Promise<Answer>, schema: T): Promise<z.output<T>> {
  const answer = await reach(where, call)
  try {
    return await readData(answer, schema)
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    throw new CliError(exits.unavailable, `${where} ${error.message}`)
  }
}
