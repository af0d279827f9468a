import { Cron } from 'croner'
import { z } from 'zod'
import { objectOf } from './object-text.ts'

/** The longest interval of a schedule, in seconds: a day; beyond that a cron expression says it better. */
export const MAX_EVERY_SECONDS = 86_400

const everyWanted = `expected a whole number of seconds from 1 to ${MAX_EVERY_SECONDS}`

/**
 * Reads a cron expression of five fields. Where clocks change, times are kept as Vixie cron keeps them: one without wildcard
 * and step comes once a day all the same (in the hour that is left out at its end, in the hour that comes twice in its first
 * turn), any other as often as its minute does.
 * @throws Error that says what is wrong with it
 */
export function parseCron(cron: string, timezone: string): Cron {
  // A date, and a name as @reboot, are read too otherwise.
  if (cron.trim().split(/\s+/).length !== 5) throw new Error('it does not have five fields')
  return new Cron(cron, { mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true, timezone })
}

/** Why a cron expression or its timezone cannot be used; undefined where both can. */
function cronProblem(cron: string, timezone: string): string | undefined {
  try {
    return parseCron(cron, timezone).nextRun() === null ? 'it never comes round' : undefined
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)
  }
}

const isTimezone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined
  } catch {
    return false
  }
}

const EverySchema = z.strictObject({
  every_seconds: z.int({ error: everyWanted }).min(1, { error: everyWanted }).max(MAX_EVERY_SECONDS, { error: everyWanted }),
})

const CronSchema = z
  .strictObject({
    cron: z
      .string({ error: 'expected a cron expression of five fields, as "0 6 * * 1-5"' })
      .max(200)
      .meta({ description: 'Minute, hour, day of month, month, day of week.' }),
    timezone: z.string().max(64).refine(isTimezone, { error: 'expected a name of the IANA time zone database, as Europe/Berlin', abort: true }).default('UTC'),
  })
  .superRefine(({ cron, timezone }, context) => {
    const problem = cronProblem(cron, timezone)
    if (problem !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['cron'],
        message: `expected a cron expression of five fields, as "0 6 * * 1-5", got ${JSON.stringify(cron)}: ${problem}`,
      })
  })

/** When a worker hits by itself. */
export const ScheduleSchema = z.union([EverySchema, CronSchema]).meta({ id: 'Schedule', example: { every_seconds: 60 } })
export type Schedule = z.output<typeof ScheduleSchema>

const neither = 'expected {"every_seconds": N} or {"cron": "…", "timezone": "…"}, or a string that holds that JSON object'

/** `data.schedule` of a config: an object, or a string that holds one, since a Go agent turns every value into a string. */
export const DataScheduleSchema = z.unknown().transform((value, context): Schedule => {
  const given = objectOf(value)
  if (given === undefined || Object.hasOwn(given, 'every_seconds') === Object.hasOwn(given, 'cron')) {
    context.addIssue({ code: 'custom', message: neither })
    return z.NEVER
  }
  const parsed = Object.hasOwn(given, 'cron') ? CronSchema.safeParse(given) : EverySchema.safeParse(given)
  if (parsed.success) return parsed.data
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: 'custom', path: [...path], message })
  return z.NEVER
})
