import { PublishRequestSchema } from '#lib/contract/config.ts'
import type { ErrorDetail } from '#lib/contract/envelope.ts'
import type { DryRun, HistoryPage, RollbackRequest, VersionDiff } from '#lib/contract/history.ts'
import { parseStrictJson, StrictJsonError } from '#lib/contract/strict-json.ts'
import { ApiError, invalidRequest } from '#lib/http/errors.ts'
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
  const { entries, more } = await storeAnswers('read the history', () => store.history({ ...(before === undefined ? {} : { before }), limit, data }))
  const last = entries.at(-1)
  return { configs: [...entries], ...(more && last ? { next_before: last.version } : {}) }
}

/**
 * A version of a query; one that is a number and cannot exist is simply not there.
 * @throws ApiError INVALID_VERSION
 */
export function versionOf(name: 'from' | 'to', text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text)
  throw new ApiError('INVALID_VERSION', 'version must be a number', {
    details: [{ path: `query.${name}`, message: `expected a whole number from 1, got ${JSON.stringify(text.slice(0, 100))}` }],
  })
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

/**
 * A stored config as a publish of today would take it.
 * @throws ApiError INVALID_REQUEST where it would not
 */
function publishable({ version, data, poll_interval_seconds }: StoredConfig): Pick<Publication, 'data' | 'poll_interval_seconds'> {
  const refused = (details: readonly ErrorDetail[]): ApiError => {
    const reasons = details.map(({ path, message }) => `${path}: ${message}`).join('; ')
    const what = `Cannot roll back: version ${version} could not be published any more: ${reasons}`
    return new ApiError('INVALID_REQUEST', `${what}; publish a corrected config instead`, { details })
  }
  try {
    parseStrictJson(JSON.stringify({ data }))
  } catch (error) {
    if (error instanceof StrictJsonError) throw refused([{ path: error.path, message: error.message }])
    throw error
  }
  const checked = PublishRequestSchema.pick({ data: true, poll_interval_seconds: true }).safeParse({ data, poll_interval_seconds })
  if (!checked.success) throw refused(invalidRequest(checked.error, 'json').details)
  return checked.data
}

/**
 * What a rollback publishes: the content of an older version. One that an earlier release took and this one would not is not brought back.
 * @throws ApiError NOT_FOUND, INVALID_REQUEST
 */
export async function rollbackOf(deps: Pick<Publishing, 'store'>, { version, comment, author }: RollbackRequest): Promise<Publication> {
  const content = publishable(await storedVersion(deps, version))
  return { ...content, rollback_of: version, ...(comment === undefined ? {} : { comment }), ...(author === undefined ? {} : { author }) }
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
