import { z } from 'zod'

/** Entries of a page at most. */
const MAX_LIMIT = 1000

const wanted = `expected a whole number from 1 to ${MAX_LIMIT}`

/**
 * `limit` of a list that is read by pages.
 * @param description says what is counted, and how many a page has where it is absent
 */
export const pageLimit = (description: string) =>
  z
    .string()
    .regex(/^\d{1,4}$/, { error: wanted })
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_LIMIT, { error: wanted })
    .optional()
    .meta({ type: 'integer', minimum: 1, maximum: MAX_LIMIT, description, example: 100 })
