import type { Context } from 'hono'
import type { z } from 'zod'
import { invalidRequest } from '#lib/http/errors.ts'

/** The query of a page as a schema of the API reads it; a field that was left empty counts as absent. */
export function queryOf<T extends z.ZodType>(c: Context, schema: T): z.output<T> {
  const given = Object.fromEntries(Object.entries(c.req.query()).filter(([, value]) => value !== ''))
  const parsed = schema.safeParse(given)
  if (!parsed.success) throw invalidRequest(parsed.error, 'query')
  return parsed.data
}

/** A query as an address has it: `?a=1`; what is undefined or empty is left out, and nothing is the empty text. */
export function queryText(values: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams(
    Object.entries(values).flatMap(([name, value]): [string, string][] => (value === undefined || value === '' ? [] : [[name, String(value)]])),
  )
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}
