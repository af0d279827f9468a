import { ApiError } from '#lib/http/errors.ts'
import { slicesOf } from '../../fleet/slices.ts'
import { readHistory, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { compared } from '../diff/compare.ts'
import { DiffView } from '../diff/view.tsx'
import { Time } from '../parts/time.tsx'
import { By, latestVersion } from '../parts/version.tsx'
import type { Session } from '../session/sessions.ts'

/** How many of the versions that came meanwhile are named. */
const MOST_NAMED = 10

/** The version that one began with; undefined where there was none, or where it is there no more: another database was put in its place. */
async function began(parts: ConsoleParts, base: number) {
  try {
    return base === 0 ? undefined : await storedVersion(parts, base)
  } catch (error) {
    if (error instanceof ApiError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

/** What was published between the version that one began with and now. */
export async function Meanwhile({ parts, base, session }: { readonly parts: ConsoleParts; readonly base: number; readonly session: Session }) {
  const latest = latestVersion(parts)
  if (latest <= base)
    return (
      <div class="problem" role="alert">
        <p>
          <strong>Nothing was published: you began with version {base}, and there is none any more.</strong> The latest is {latest === 0 ? 'none' : latest}: the
          database was put back to an older state. What you wrote is below; look at it against what there is now.
        </p>
      </div>
    )
  const { configs } = await readHistory(parts, { before: latest + 1, limit: Math.min(latest - base, MOST_NAMED) })
  const [from, to] = [await began(parts, base), await storedVersion(parts, latest)]
  const diff = await compared(from, to, slicesOf(parts.clock))
  const isOwn = configs.every(({ published_by }) => published_by === session.caller.name)
  return (
    <>
      <div class="problem" role="alert">
        <p>
          <strong>
            Nothing was published: {base === 0 ? 'there was no version yet when you began' : `you began with version ${base}`}, and version {latest} is the
            latest now{isOwn ? ', published with your own key' : ''}.
          </strong>{' '}
          This is what changed meanwhile. Nothing of yours is lost: go on below from version {latest}; what yours changes is shown against it.
        </p>
        <ul>
          {configs.map((entry) => (
            <li>
              <a href={`/console/configs/${entry.version}`}>Version {entry.version}</a> by <By entry={entry} />, <Time at={entry.created_at} />
              {entry.comment === null ? null : `: ${entry.comment}`}
            </li>
          ))}
        </ul>
      </div>
      <h2>What changed meanwhile</h2>
      <DiffView diff={diff} left={base === 0 ? 'Nothing' : `Version ${base}, where you began`} right={`Version ${latest}, the latest`} />
    </>
  )
}
