import { describe, expect, test } from 'vitest'
import { ConfigDataSchema } from '#lib/contract/config.ts'
import { DataScheduleSchema } from '#lib/contract/schedule.ts'

const issues = (value: unknown) => DataScheduleSchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)

describe('data.schedule', () => {
  test.each([
    [{ every_seconds: 1 }, { every_seconds: 1 }],
    [{ every_seconds: 86_400 }, { every_seconds: 86_400 }],
    [{ cron: '0 6 * * 1-5' }, { cron: '0 6 * * 1-5', timezone: 'UTC' }],
    [
      { cron: ' */5  * * * SUN ', timezone: 'Europe/Berlin' },
      { cron: ' */5  * * * SUN ', timezone: 'Europe/Berlin' },
    ],
    // A Go agent turns every value into a string.
    ['{"every_seconds":60}', { every_seconds: 60 }],
    ['{"cron":"0 0 29 2 *","timezone":"Asia/Tokyo"}', { cron: '0 0 29 2 *', timezone: 'Asia/Tokyo' }],
  ])('%j is one', (given, read) => {
    expect(DataScheduleSchema.parse(given)).toEqual(read)
  })

  const neither = ': expected {"every_seconds": N} or {"cron": "…", "timezone": "…"}, or a string that holds that JSON object'
  const seconds = 'every_seconds: expected a whole number of seconds from 1 to 86400'
  const cron = (got: string, why: string) => `cron: expected a cron expression of five fields, as "0 6 * * 1-5", got ${JSON.stringify(got)}: ${why}`
  const zone = 'timezone: expected a name of the IANA time zone database, as Europe/Berlin'
  test.each([
    [{}, neither],
    [null, neither],
    [60, neither],
    [[], neither],
    ['daily', neither],
    ['[]', neither],
    [{ every_seconds: 60, cron: '* * * * *' }, neither],
    [{ every_seconds: 0 }, seconds],
    [{ every_seconds: 86_401 }, seconds],
    [{ every_seconds: 1.5 }, seconds],
    [{ every_seconds: '60' }, seconds],
    [{ every_seconds: 60, timezone: 'UTC' }, ': Unrecognized key: "timezone"'],
    [{ cron: '* * * * * *' }, cron('* * * * * *', 'it does not have five fields')],
    [{ cron: '@hourly' }, cron('@hourly', 'it does not have five fields')],
    [{ cron: '2099-01-01T00:00:00' }, cron('2099-01-01T00:00:00', 'it does not have five fields')],
    [{ cron: '0 0 30 2 *' }, cron('0 0 30 2 *', 'it never comes round')],
    [{ cron: '61 * * * *' }, cron('61 * * * *', 'Invalid value for minute: 61')],
    [{ cron: '* * * * *', timezone: 'Berlin' }, zone],
    [{ cron: '* * * * *', timezone: '' }, zone],
  ])('%j is none, and it says why', (given, why) => {
    expect(issues(given)).toEqual([why])
  })

  test('a publish names it by its path', () => {
    expect(ConfigDataSchema.safeParse({ url: 'http://a/', schedule: { every_seconds: 0 } }).error?.issues.map(({ path }) => path)).toEqual([
      ['schedule', 'every_seconds'],
    ])
    expect(ConfigDataSchema.safeParse({ url: 'http://a/', schedule: 'daily' }).error?.issues.map(({ path }) => path)).toEqual([['schedule']])
  })
})
