import type { z } from 'zod'
import { ConfigDataSchema } from '#lib/contract/config.ts'
import type { DryRun, HistoryPage, RollbackRequest, VersionDiff } from '#lib/contract/history.ts'
import { ApiError } from '#lib/http/errors.ts'
import { ifMatchPasses } from '#lib/http/etag.ts'
import { differenceBetween } from '#lib/json/diff-text.ts'
import type { StoredConfig } from '#lib/store/port.ts'
import { conflict, dataText, type Publication, type Publishing } from './publish.ts'
import { storeAnswers } from './store-errors.ts'

/** How many versions a page has where it does not say. */
const PAGE = 100

/** A page of the history, the newest first. */
export async function readHistory(
  { store }: Pick<Publishing, 'store'>,
  { before, limit = PAGE, data = false }: { readonly before?: number | undefined; readonly limit?: number | undefined; readonly data?: boolean | undefined },
): Promise<HistoryPage> {
  const found = await storeAnswers('read the history', () => store.history({ ...(before === undefined ? {} : { before }), limit: limit + 1, data }))
  const configs = found.slice(0, limit)
  const last = configs.at(-1)
  return { configs, ...(found.length > limit && last ? { next_before: last.version } : {}) }
}

/**
 * A stored version.
 * @throws ApiError NOT_FOUND
 */
export async function storedVersion({ store }: Pick<Publishing, 'store'>, version: number): Promise<StoredConfig> {
  const config = Number.isSafeInteger(version) && version >= 1 ? await storeAnswers('read the config', () => store.byVersion(version)) : undefined
  if (config === undefined)
    throw new ApiError('NOT_FOUND', 'config version not found', { details: [{ path: 'version', message: `there is no version ${version}` }] })
  return config
}

/**
 * What differs between two versions.
 * @throws ApiError NOT_FOUND
 */
export async function diffVersions(deps: Pick<Publishing, 'store'>, from: number, to: number): Promise<VersionDiff> {
  const [one, other] = await Promise.all([storedVersion(deps, from), storedVersion(deps, to)])
  return { from, to, ...differenceBetween(one, other) }
}

/** Why data that was once good is refused now. */
const reasonOf = (error: z.ZodError): string => error.issues.map((issue) => `data.${issue.path.join('.')}: ${issue.message}`).join('; ')

/**
 * What a rollback publishes: the content of an older version. One that an earlier release took and this one would not is not brought back.
 * @throws ApiError NOT_FOUND, INVALID_REQUEST
 */
export async function rollbackOf(deps: Pick<Publishing, 'store'>, { version, comment, author }: RollbackRequest): Promise<Publication> {
  const { data, poll_interval_seconds } = await storedVersion(deps, version)
  const checked = ConfigDataSchema.safeParse(data)
  if (!checked.success)
    throw new ApiError('INVALID_REQUEST', `Cannot roll back: version ${version} could not be published any more: ${reasonOf(checked.error)}`)
  return { data, poll_interval_seconds, rollback_of: version, ...(comment === undefined ? {} : { comment }), ...(author === undefined ? {} : { author }) }
}

/**
 * What a publish would do; nothing is stored.
 * @throws ApiError VERSION_CONFLICT, PAYLOAD_TOO_LARGE, OVERLOADED, STORE_UNAVAILABLE
 */
export async function dryRun(deps: Publishing, publication: Publication, ifMatch: string | undefined): Promise<DryRun> {
  const action = publication.rollback_of === undefined ? 'publish' : 'roll back'
  const text = dataText(action, publication.data, deps.config.maxConfigBytes)
  const latest = await storeAnswers('try the publish', () => deps.store.latest())
  if (ifMatch !== undefined && !ifMatchPasses(ifMatch, latest?.version ?? 0)) throw conflict(action, ifMatch, latest?.version ?? 0)
  const { violations } = await deps.schema.opinion(action, text)
  const { data, poll_interval_seconds } = publication
  const would_publish = { version: (latest?.version ?? 0) + 1, data, poll_interval_seconds }
  return { dry_run: true, would_publish, diff: differenceBetween(latest, would_publish), violations: [...violations] }
}
