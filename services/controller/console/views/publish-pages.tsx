import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { DryRun } from '#lib/contract/history.ts'
import type { ApiError } from '#lib/http/errors.ts'
import { requestId } from '#lib/http/request-id.ts'
import { slicesOf } from '../../fleet/slices.ts'
import { storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { compared } from '../diff/compare.ts'
import { DiffView } from '../diff/view.tsx'
import type { Draft } from '../parts/draft.ts'
import { count } from '../parts/numbers.ts'
import { word } from '../parts/shell.ts'
import { Violations } from '../parts/violations.tsx'
import type { Session } from '../session/sessions.ts'
import { Meanwhile } from './meanwhile.tsx'
import { Problem } from './problem.tsx'

/** What publishes a draft from a shell. */
export const sameAs = (draft: Draft, isDryRun: boolean) => ({
  dcm: `dcm publish config.json --if-version ${draft.base}${draft.comment === '' ? '' : ` --comment ${word(draft.comment)}`}${isDryRun ? ' --dry-run' : ' --wait'}`,
  request: {
    method: 'POST',
    path: `/config${isDryRun ? '?dry_run=true' : ''}`,
    headers: [`If-Match: "${draft.base}"`],
    body: '@publish.json',
  },
})

/** How many agents a publish reaches now. */
export async function Reach({ fleet }: { readonly fleet: ConsoleParts['fleet'] }) {
  const { total, online } = (await fleet.status()).agents
  const away = total - online
  return (
    <p>
      {online === 0 ? (
        <strong>No agent is online: none takes it now.</strong>
      ) : (
        <>
          It reaches{' '}
          <strong>
            {count(online)} {online === 1 ? 'agent' : 'agents'}
          </strong>{' '}
          that {online === 1 ? 'is' : 'are'} online now.
        </>
      )}
      {away === 0 ? null : ` ${count(away)} ${away === 1 ? 'is' : 'are'} offline and ${away === 1 ? 'takes' : 'take'} it when back.`}
    </p>
  )
}

/**
 * What a publish would change, beside the latest version.
 * @param what it is: "yours"
 */
export async function Change({ parts, run, what }: { readonly parts: ConsoleParts; readonly run: DryRun; readonly what: string }) {
  const { would_publish } = run
  const latest = would_publish.version - 1
  const from = latest === 0 ? undefined : await storedVersion(parts, latest)
  const diff = await compared(from, would_publish, slicesOf(parts.clock))
  return <DiffView diff={diff} left={latest === 0 ? 'Nothing' : `Version ${latest}, the latest`} right={`Version ${would_publish.version}, ${what}`} />
}

/** What stands above a form that was not taken. */
export function refusal(c: Context, parts: ConsoleParts, error: ApiError, { base }: Pick<Draft, 'base'>, session: Session): Child {
  for (const name of ['Retry-After', 'ETag']) if (error.headers[name] !== undefined) c.header(name, error.headers[name])
  const id = requestId(c)
  c.header('X-Request-Id', id)
  if (error.code === 'VERSION_CONFLICT') return <Meanwhile parts={parts} base={base} session={session} />
  if (error.code === 'SCHEMA_VIOLATION') return <Violations title="It does not meet the config schema, and nothing was published:" violations={error.details} />
  return <Problem error={error} id={id} />
}
