import { Hono } from 'hono'
import { HistoryQuerySchema } from '#lib/contract/history.ts'
import { requires } from '#lib/http/caller.ts'
import { invalidRequest } from '#lib/http/errors.ts'
import { readHistory } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { bytes } from '../parts/numbers.ts'
import { Empty } from '../parts/pieces.tsx'
import { Time } from '../parts/time.tsx'
import { By, latestVersion } from '../parts/version.tsx'
import { sessionOf } from '../session/guard.ts'

/** How many versions a page shows. */
const PAGE = 50

const CompareForm = ({ latest }: { readonly latest: number }) => (
  <form method="get" action="/console/configs/compare" class="inline">
    <label>
      Compare version
      <input type="number" name="from" min={1} max={latest} value={latest - 1} required />
    </label>
    <label>
      with version
      <input type="number" name="to" min={1} max={latest} value={latest} required />
    </label>
    <button type="submit">Compare</button>
  </form>
)

type Entries = Awaited<ReturnType<typeof readHistory>>['configs']

const History = ({ entries, latest }: { readonly entries: Entries; readonly latest: number }) => (
  <section class="scroll" tabindex={0} aria-label="Versions">
    <table>
      <caption class="visually-hidden">Versions, the newest first</caption>
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col">Published</th>
          <th scope="col">By</th>
          <th scope="col">Comment</th>
          <th scope="col">Size</th>
          <th scope="col">
            <span class="visually-hidden">What to do</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <tr>
            <th scope="row">
              <a href={`/console/configs/${entry.version}`}>{entry.version}</a>
              {entry.version === latest ? <small> latest</small> : null}
            </th>
            <td class="nowrap">
              <Time at={entry.created_at} />
            </td>
            <td class="name">
              <By entry={entry} />
            </td>
            <td class="comment">
              {entry.rollback_of === null ? null : (
                <small>
                  rollback to <a href={`/console/configs/${entry.rollback_of}`}>{entry.rollback_of}</a>{' '}
                </small>
              )}
              {entry.comment}
            </td>
            <td class="nowrap">{bytes(entry.bytes)}</td>
            <td class="nowrap">
              {entry.version > 1 ? (
                <a href={`/console/configs/compare?from=${entry.version - 1}&to=${entry.version}`}>
                  changes<span class="visually-hidden"> of version {entry.version}</span>
                </a>
              ) : null}
              {entry.version === latest ? null : (
                <>
                  {entry.version > 1 ? ' · ' : null}
                  <a href={`/console/rollback/${entry.version}`}>
                    roll back<span class="visually-hidden"> to version {entry.version}</span>
                  </a>
                </>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </section>
)

/** The history of configs: `/console/configs`. */
export function configsRoutes(parts: ConsoleParts) {
  return new Hono().get('/configs', requires('publish', 'read the history'), async (c) => {
    const query = HistoryQuerySchema.pick({ before: true }).safeParse({ before: c.req.query('before') })
    if (!query.success) throw invalidRequest(query.error, 'query')
    const { before } = query.data
    const { configs, next_before } = await readHistory(parts, { before, limit: PAGE })
    const latest = latestVersion(parts)
    const from = before === undefined ? '' : `&before=${before}`
    return showPage(c, parts.assets, sessionOf(c), {
      title: 'Configs',
      place: 'configs',
      same: {
        dcm: `dcm history --limit ${PAGE}${before === undefined ? '' : ` --before ${before}`}`,
        request: { path: `/configs?limit=${PAGE}${from}` },
      },
      children: (
        <>
          <p>
            <a href="/console/publish">Publish a change</a> · <a href="/console/schema">The config schema</a>
          </p>
          {latest > 1 ? <CompareForm latest={latest} /> : null}
          {configs.length === 0 ? (
            <Empty>
              {before === undefined ? (
                <>
                  No config is published yet. <a href="/console/publish">Publish the first one</a>: agents take it within milliseconds.
                </>
              ) : (
                <>
                  There is no version below {before}. <a href="/console/configs">Back to the newest</a>
                </>
              )}
            </Empty>
          ) : (
            <History entries={configs} latest={latest} />
          )}
          <nav class="pages" aria-label="Pages">
            {before === undefined ? null : <a href="/console/configs">Newest</a>}
            {next_before === undefined ? null : (
              <a href={`/console/configs?before=${next_before}`} rel="next">
                Older
              </a>
            )}
          </nav>
        </>
      ),
    })
  })
}
