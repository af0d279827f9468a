import type { HistoryEntry } from '#lib/contract/history.ts'
import { readHistory, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { bytes } from './numbers.ts'
import { Time } from './time.tsx'

/** A version with who published it, when and why. */
export type VersionEntry = HistoryEntry & Required<Pick<HistoryEntry, 'data'>>

/**
 * Reads a version.
 * @throws ApiError NOT_FOUND
 */
export async function versionEntry(parts: Pick<ConsoleParts, 'store'>, version: number): Promise<VersionEntry> {
  const [entry] = (await readHistory(parts, { before: version + 1, limit: 1, data: true })).configs
  if (entry?.version === version && entry.data) return { ...entry, data: entry.data }
  // Says that it is not there, as the API does.
  const { data } = await storedVersion(parts, version)
  throw new Error(`version ${version} with ${Object.keys(data).length} keys is in no history`)
}

/** The latest version; 0 where there is none. */
export const latestVersion = ({ feed }: Pick<ConsoleParts, 'feed'>): number => feed.current?.version ?? 0

/** Who published a version: the author that was named, and by which key. */
export const By = ({ entry: { author, published_by } }: { readonly entry: Pick<HistoryEntry, 'author' | 'published_by'> }) => (
  <>
    {author ?? published_by ?? <em>not known</em>}
    {author !== null && published_by !== null && author !== published_by ? <small> (key {published_by})</small> : null}
  </>
)

/** What is known of a version beside its data. */
export const AboutVersion = ({ entry }: { readonly entry: HistoryEntry }) => (
  <dl class="about">
    <div>
      <dt>Published</dt>
      <dd>
        <Time at={entry.created_at} />
      </dd>
    </div>
    <div>
      <dt>By</dt>
      <dd>
        <By entry={entry} />
      </dd>
    </div>
    <div>
      <dt>Comment</dt>
      <dd>{entry.comment ?? <em>none</em>}</dd>
    </div>
    <div>
      <dt>Poll interval</dt>
      <dd>{entry.poll_interval_seconds} s</dd>
    </div>
    <div>
      <dt>Size</dt>
      <dd>{bytes(entry.bytes)}</dd>
    </div>
    {entry.rollback_of === null ? null : (
      <div>
        <dt>Brought back</dt>
        <dd>
          <a href={`/console/configs/${entry.rollback_of}`}>version {entry.rollback_of}</a>
        </dd>
      </div>
    )}
  </dl>
)
