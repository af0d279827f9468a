import { setImmediate as turn } from 'node:timers/promises'
import { Hono } from 'hono'
import { type AuditPage, type AuditQuery, AuditQuerySchema } from '#lib/contract/audit.ts'
import { requires } from '#lib/http/caller.ts'
import { invalidRequest } from '#lib/http/errors.ts'
import { readAudit } from '../../audit.ts'
import { AuditChain } from '../../audit-chain.ts'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { Empty } from '../parts/pieces.tsx'
import { word } from '../parts/shell.ts'
import { sessionOf } from '../session/guard.ts'
import { type AuditWishes, Chain, Entries, Filter } from './audit-parts.tsx'

/** How many entries a page shows. */
const PAGE = 50
/** How many parts of the audit a page looks through: of a filtered one each is ten thousand entries. */
const MOST_PARTS = 20
/** How long a page waits for the chain's check, in ms: of ten thousand entries it is done by then. */
const PATIENCE_MS = 250
const DAY_MS = 86_400_000

/** A day as the moment at which it begins, or ends; what is none is left for the contract to refuse. */
function momentOf(day: string, edge: 'begin' | 'end'): string {
  const begin = Date.parse(`${day}T00:00:00Z`)
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || Number.isNaN(begin)) return day
  return new Date(edge === 'begin' ? begin : begin + DAY_MS).toISOString()
}

/** The filter as the API takes it; what was left empty is no wish. */
const queryOf = ({ action, actor, since, until }: AuditWishes): Readonly<Record<string, string>> => ({
  ...(action === '' ? {} : { action }),
  ...(actor === '' ? {} : { actor }),
  ...(since === '' ? {} : { since: momentOf(since, 'begin') }),
  ...(until === '' ? {} : { until: momentOf(until, 'end') }),
})

/** Fills a page from as many parts of the audit as it takes, up to a bound: a filter may find few in each. */
async function fill(parts: Pick<ConsoleParts, 'store'>, query: AuditQuery): Promise<Pick<AuditPage, 'entries' | 'next_before'>> {
  const entries: AuditPage['entries'] = []
  let before = query.before
  for (let round = 0; round < MOST_PARTS; round++) {
    const part = await readAudit(parts, { ...query, before, limit: PAGE - entries.length })
    entries.push(...part.entries)
    before = part.next_before
    if (before === undefined || entries.length === PAGE) break
    await turn()
  }
  return { entries, ...(before === undefined ? {} : { next_before: before }) }
}

/** What the command takes for a query. */
const asOptions = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .map(([name, value]) => ` --${name} ${word(value)}`)
    .join('')

/** Who changed what, and whether that is what was written: `/console/audit`. */
export function auditRoutes(parts: ConsoleParts) {
  const chain = new AuditChain(parts)
  return new Hono()
    .get('/audit', requires('admin', 'read the audit'), async (c) => {
      const asked = (name: string): string => (c.req.query(name) ?? '').trim()
      const wishes = { action: asked('action'), actor: asked('actor'), since: asked('since'), until: asked('until') }
      const query = queryOf(wishes)
      const before = c.req.query('before')
      const read = AuditQuerySchema.safeParse({ ...query, ...(before === undefined ? {} : { before }), limit: String(PAGE) })
      if (!read.success) throw invalidRequest(read.error, 'query')
      const { entries, next_before } = await fill(parts, read.data)
      const isFiltered = Object.keys(query).length > 0
      const set = Object.entries(wishes).filter(([, value]) => value !== '')
      const at = (from: number | undefined) => {
        const search = new URLSearchParams(Object.fromEntries([...set, ...(from === undefined ? [] : [['before', String(from)] as const])]))
        return `/console/audit${search.size === 0 ? '' : `?${search}`}`
      }
      const api = new URLSearchParams({ limit: String(PAGE), ...query, ...(before === undefined ? {} : { before }) })
      return showPage(c, parts.assets, sessionOf(c), {
        title: 'Audit',
        place: 'audit',
        same: { dcm: `dcm audit --limit ${PAGE}${asOptions(query)}\ndcm audit verify`, request: { path: `/audit?${api}` } },
        children: (
          <>
            <h2>The chain</h2>
            <Chain state={await chain.state(PATIENCE_MS)} />
            <h2>Changes</h2>
            <Filter wishes={wishes} />
            {entries.length > 0 ? (
              <Entries entries={entries} />
            ) : (
              <Empty>
                {next_before !== undefined
                  ? `None among the newest, down to entry ${next_before}: older ones were not looked at yet.`
                  : isFiltered || before !== undefined
                    ? 'No entry is like that.'
                    : 'Nothing was changed yet: what operators do is written down here, each entry with the hash of the one before.'}
              </Empty>
            )}
            <nav class="pages" aria-label="Pages">
              {before === undefined ? null : <a href={at(undefined)}>Newest</a>}
              {next_before === undefined ? null : (
                <a href={at(next_before)} rel="next">
                  Older
                </a>
              )}
            </nav>
          </>
        ),
      })
    })
    .get('/audit/chain', requires('admin', 'read the audit'), async (c) => c.html(<Chain state={await chain.state(0)} />))
}
