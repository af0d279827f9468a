import type { PublishRequest } from '#lib/contract/config.ts'
import { ApiError } from '#lib/http/errors.ts'
import { etagOf, ifMatchPasses } from '#lib/http/etag.ts'
import { type Actor, type StoredConfig, VersionConflictError } from '#lib/store/port.ts'
import type { ControllerDeps } from './deps.ts'
import { storeAnswers } from './store-errors.ts'

/** Says what If-Match was and what is latest, with the ETag to begin again from. */
function conflict(ifMatch: string, latest: number): ApiError {
  const shown = JSON.stringify(ifMatch.slice(0, 100))
  const state = latest === 0 ? 'there is no version yet' : `the latest version is ${latest}`
  return new ApiError('VERSION_CONFLICT', `Cannot publish: ${state}, If-Match was ${shown}; read the latest and publish again`, {
    details: [{ path: 'latest_version', message: String(latest) }],
    headers: latest === 0 ? {} : { ETag: etagOf(latest) },
  })
}

/**
 * Publishes a config as the next version: stored and synced first, announced to followers only then.
 * @param ifMatch the header; absent: whatever is latest
 * @throws ApiError VERSION_CONFLICT, PAYLOAD_TOO_LARGE, STORE_UNAVAILABLE
 */
export async function publishConfig(deps: ControllerDeps, request: PublishRequest, ifMatch: string | undefined, actor: Actor): Promise<StoredConfig> {
  const maxBytes = deps.config.maxConfigBytes
  // What was sent may be shorter than what it says: 1e15 is stored with its 16 digits.
  const size = Buffer.byteLength(JSON.stringify(request.data))
  if (size > maxBytes) throw new ApiError('PAYLOAD_TOO_LARGE', `Cannot publish: data is ${size} bytes of JSON, at most ${maxBytes} are allowed`)
  try {
    const { config, head } = await storeAnswers('publish the config', () =>
      deps.store.publish({ ...request, ...(ifMatch === undefined ? {} : { allowed: (latest: number) => ifMatchPasses(ifMatch, latest) }) }, actor),
    )
    deps.fleet.published(config.version)
    const { watchers } = deps.feed.hub
    deps.feed.announce(config)
    deps.logger.info('config', 'published', { version: config.version, bytes: size, watchers, audit_seq: head.seq, audit_hash: head.hash })
    return config
  } catch (error) {
    if (error instanceof VersionConflictError && ifMatch !== undefined) throw conflict(ifMatch, error.latest)
    throw error
  }
}
