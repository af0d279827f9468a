import { Hono } from 'hono'
import { type HistoryEntry, type HistoryPage, HistoryQuerySchema } from '#lib/contract/history.ts'
import { requires } from '#lib/http/caller.ts'
import { readHistory } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { VersionLink } from '../parts/agent-link.tsx'
import { bytes } from '../parts/numbers.ts'
import { Empty, Scroll } from '../parts/pieces.tsx'
import { queryOf, queryText } from '../parts/query.ts'
import { Time } from '../parts/time.tsx'
import { sessionOf } from '../session/guard.ts'

/** How many versions a page shows. */
const PAGE = 50

/** Who is to be named for a version: its author, else the key that published it. */
export const byWhom = ({ author, published_by }: Pick<HistoryEntry, 'author' | 'published_by'>): string =>
  author === null ? (published_by ?? 'nobody named') : published_by === null || published_by === author ? author : `${author} (key ${published_by})`

const Row = ({ entry, latest }: { readonly entry: HistoryEntry; readonly latest: number }) => (
  <tr>
    <th scope="row">
      <VersionLink version={entry.version} />
      {entry.version === latest ? <small> latest</small> : null}
    </th>
    <td>
      <Time at={entry.created_at} />
    </td>
    <td>{byWhom(entry)}</td>
    <td>
      {entry.rollback_of === null ? null : (
        <>
          back to <VersionLink version={entry.rollback_of} />.{' '}
        </>
      )}
      {entry.comment ?? ''}
    </td>
    <td class="number">{bytes(entry.bytes)}</td>
    <td>
      {entry.version === 1 ? null : <a href={`/console/configs/compare?from=${entry.version - 1}&to=${entry.version}`}>changes</a>}
      {entry.version === latest ? null : (
        <>
          {' · '}
          <a href={`/console/rollback/${entry.version}`}>roll back to it</a>
        </>
      )}
    </td>
  </tr>
)

const Compare = ({ from, to }: { readonly from: number; readonly to: number }) => (
  <form class="filters" action="/console/configs/compare" method="get" aria-label="Compare two versions">
    <label>
      Compare version
      <input type="number" name="from" min={1} max={to} value={from} required />
    </label>
    <label>
      with version
      <input type="number" name="to" min={1} max={to} value={to} required />
    </label>
    <button type="submit">Compare</button>
  </form>
)

const List = ({ page, latest }: { readonly page: HistoryPage; readonly latest: number }) => (
  <>
    <Scroll label="Versions">
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">Published</th>
            <th scope="col">By</th>
            <th scope="col">Why</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">
              <span class="visually-hidden">What can be done</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {page.configs.map((entry) => (
            <Row entry={entry} latest={latest} />
          ))}
        </tbody>
      </table>
    </Scroll>
    <nav class="pager" aria-label="Pages">
      <a href="/console/configs">Newest</a>
      {page.next_before === undefined ? null : (
        <a rel="next" href={`/console/configs${queryText({ before: page.next_before })}`}>
          Older
        </a>
      )}
    </nav>
  </>
)

/** The history: `/console/configs`. */
export function configsRoutes(parts: ConsoleParts) {
  const { assets, feed } = parts
  return new Hono().get('/configs', requires('publish', 'read the history'), async (c) => {
    const { before } = queryOf(c, HistoryQuerySchema.pick({ before: true }))
    const page = await readHistory(parts, { before, limit: PAGE })
    const latest = feed.current?.version ?? 0
    return showPage(c, assets, sessionOf(c), {
      title: 'Configs',
      place: 'configs',
      same: { dcm: 'dcm history', request: { path: `/configs${queryText({ before, limit: PAGE })}` } },
      children:
        latest === 0 ? (
          <Empty>
            Nothing was published yet. <a href="/console/publish">Publish the first config</a>.
          </Empty>
        ) : (
          <>
            <p>
              <a href="/console/publish">Publish a change</a>{' '}
              {latest > 1 ? <a href={`/console/rollback/${latest - 1}`}>Roll back to version {latest - 1}</a> : null}{' '}
              <a href="/console/schema">Config schema</a>
            </p>
            <Compare from={Math.max(1, latest - 1)} to={latest} />
            <List page={page} latest={latest} />
          </>
        ),
    })
  })
}
