import { type Context, Hono } from 'hono'
import { DiffQuerySchema, type HistoryEntry } from '#lib/contract/history.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { readHistory, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { VersionLink } from '../parts/agent-link.tsx'
import { Convergence } from '../parts/convergence.tsx'
import { prettyJson } from '../parts/json-text.ts'
import { bytes } from '../parts/numbers.ts'
import { Figure, Scroll } from '../parts/pieces.tsx'
import { queryOf } from '../parts/query.ts'
import { SideBySide } from '../parts/side-by-side.tsx'
import { Time } from '../parts/time.tsx'
import { sessionOf } from '../session/guard.ts'
import { byWhom } from './configs.tsx'

/** How much of a config is shown, in characters. */
const MAX_SHOWN = 256 * 1024

/**
 * A version in an address.
 * @throws ApiError INVALID_VERSION
 */
export function versionIn(text: string): number {
  if (!/^\d{1,15}$/.test(text))
    throw new ApiError('INVALID_VERSION', `Cannot show version ${JSON.stringify(text.slice(0, 100))}: expected a whole number from 1`)
  return Number(text)
}

const Facts = ({ entry }: { readonly entry: HistoryEntry }) => (
  <dl class="figures">
    <Figure name="Published">
      <Time at={entry.created_at} />
    </Figure>
    <Figure name="By">{byWhom(entry)}</Figure>
    <Figure name="Size">{bytes(entry.bytes)}</Figure>
    <Figure name="Poll interval">{entry.poll_interval_seconds} s</Figure>
    {entry.rollback_of === null ? null : (
      <Figure name="Brought back">
        <VersionLink version={entry.rollback_of} />
      </Figure>
    )}
  </dl>
)

const Links = ({ version, latest }: { readonly version: number; readonly latest: number }) => (
  <p>
    {version === 1 ? null : <a href={`/console/configs/compare?from=${version - 1}&to=${version}`}>Changes since version {version - 1}</a>}
    {version === latest && version > 1 ? (
      <>
        {' · '}
        <a href={`/console/rollback/${version - 1}`}>Roll back to version {version - 1}</a>
      </>
    ) : null}
    {version === latest ? null : (
      <>
        {' · '}
        <a href={`/console/rollback/${version}`}>Roll back to this version</a>
      </>
    )}
    {' · '}
    <a href={`/console/agents?version=${version}`}>Agents that run it</a>
  </p>
)

/** One version, and two side by side: `/console/configs/:version`, `/console/configs/compare`. */
export function versionRoutes(parts: ConsoleParts) {
  const { assets, feed, fleet, live } = parts
  const convergence = async () => <Convergence status={await fleet.status()} timeline={fleet.timeline()} />

  const compare = async (c: Context) => {
    const query = queryOf(c, DiffQuerySchema)
    const [from, to] = [versionIn(query.from), versionIn(query.to)]
    const [one, other] = await Promise.all([storedVersion(parts, from), storedVersion(parts, to)])
    return showPage(c, assets, sessionOf(c), {
      title: `Version ${from} and version ${to}`,
      place: 'configs',
      same: { dcm: `dcm diff ${from} ${to}`, request: { path: `/configs/diff?from=${from}&to=${to}` } },
      children: (
        <>
          <p>
            <VersionLink version={from} /> and <VersionLink version={to} /> · <a href={`/console/configs/compare?from=${to}&to=${from}`}>the other way round</a>
          </p>
          <SideBySide from={one} to={other} names={[`Version ${from}`, `Version ${to}`]} />
        </>
      ),
    })
  }

  const show = async (c: Context) => {
    const version = versionIn(c.req.param('version') ?? '')
    const [config, { configs }] = await Promise.all([storedVersion(parts, version), readHistory(parts, { before: version + 1, limit: 1 })])
    const [entry] = configs
    const latest = feed.current?.version ?? 0
    const text = prettyJson(config.data)
    return showPage(c, assets, sessionOf(c), {
      title: `Version ${version}`,
      place: 'configs',
      same: { dcm: `dcm get ${version}`, request: { path: `/config/${version}` } },
      children: (
        <>
          {entry?.comment ? <p>“{entry.comment}”</p> : null}
          {entry ? <Facts entry={entry} /> : null}
          <Links version={version} latest={latest} />
          {version === latest ? (
            <section aria-labelledby="convergence">
              <h2 id="convergence">How it comes to the fleet</h2>
              <div hx-sse:connect="/console/live/convergence" hx-swap="innerMorph">
                {await convergence()}
              </div>
            </section>
          ) : null}
          <h2>Data</h2>
          <Scroll label="The data">
            <pre class="data">{text.slice(0, MAX_SHOWN)}</pre>
          </Scroll>
          {text.length > MAX_SHOWN ? (
            <p>
              The first {bytes(MAX_SHOWN)} of {bytes(text.length)}: <code>dcm get {version} --data</code> has all of it.
            </p>
          ) : null}
        </>
      ),
    })
  }

  return new Hono()
    .use('/configs/*', requires('publish', 'read the history'))
    .get('/live/convergence', requires('fleet', 'see the fleet'), (c) => live.stream(c, 'convergence', async () => String(await convergence())))
    .get('/configs/compare', compare)
    .get('/configs/:version', show)
}
