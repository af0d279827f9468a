import { Hono } from 'hono'
import { requires } from '#lib/http/caller.ts'
import { slicesOf } from '../../fleet/slices.ts'
import { versionOf } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { compared } from '../diff/compare.ts'
import { DiffView } from '../diff/view.tsx'
import { showPage } from '../page.tsx'
import { Time } from '../parts/time.tsx'
import { By, latestVersion, type VersionEntry, versionEntry } from '../parts/version.tsx'
import { sessionOf } from '../session/guard.ts'

const Side = ({ entry }: { readonly entry: VersionEntry }) => (
  <span>
    <a href={`/console/configs/${entry.version}`}>Version {entry.version}</a>{' '}
    <small>
      <Time at={entry.created_at} /> by <By entry={entry} />
    </small>
  </span>
)

/** Any two versions side by side: `/console/configs/compare?from=6&to=7`. */
export function compareRoutes(parts: ConsoleParts) {
  return new Hono().get('/configs/compare', requires('publish', 'compare versions'), async (c) => {
    const latest = latestVersion(parts)
    const from = versionOf('from', c.req.query('from') ?? '')
    const to = versionOf('to', c.req.query('to') ?? '')
    const [one, other] = await Promise.all([versionEntry(parts, from), versionEntry(parts, to)])
    const diff = await compared(one, other, slicesOf(parts.clock))
    return showPage(c, parts.assets, sessionOf(c), {
      title: `Version ${from} and version ${to}`,
      place: 'configs',
      same: { dcm: `dcm diff ${from} ${to}`, request: { path: `/configs/diff?from=${from}&to=${to}` } },
      children: (
        <>
          <DiffView diff={diff} left={<Side entry={one} />} right={<Side entry={other} />} />
          <form method="get" action="/console/configs/compare" class="inline">
            <label>
              Compare version
              <input type="number" name="from" min={1} max={latest} value={from} required />
            </label>
            <label>
              with version
              <input type="number" name="to" min={1} max={latest} value={to} required />
            </label>
            <button type="submit">Compare</button>
          </form>
          <nav class="pages" aria-label="Other comparisons">
            <a href={`/console/configs/compare?from=${to}&to=${from}`}>The other way round</a>
            {from === latest ? null : <a href={`/console/rollback/${from}`}>Roll back to {from}</a>}
            <a href="/console/configs">All versions</a>
          </nav>
        </>
      ),
    })
  })
}
