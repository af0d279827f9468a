import { Hono } from 'hono'
import type { ConsoleParts } from '../console.ts'
import { showPage } from '../page.tsx'
import { count } from '../parts/numbers.ts'
import { Figure } from '../parts/pieces.tsx'
import { sessionOf } from '../session/guard.ts'

const same = { dcm: 'dcm status --watch', request: { path: '/status' } }

/** What the fleet runs: `/console`. */
export function overviewRoutes({ fleet, live, assets }: ConsoleParts) {
  const part = async () => {
    const status = await fleet.status()
    return (
      <dl class="figures">
        <Figure name="Latest version">{status.latest_version ?? 'none'}</Figure>
        <Figure name="Agents online">{count(status.agents.online)}</Figure>
      </dl>
    )
  }
  return new Hono()
    .get('/', async (c) =>
      showPage(c, assets, sessionOf(c), {
        title: 'Overview',
        place: 'overview',
        same,
        children: (
          <div hx-sse:connect="/console/live/overview" hx-swap="innerMorph">
            {await part()}
          </div>
        ),
      }),
    )
    .get('/live/overview', (c) => live.stream(c, 'overview', async () => String(await part())))
}
