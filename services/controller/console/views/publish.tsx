import { type Context, Hono } from 'hono'
import type { Child } from 'hono/jsx'
import type { DryRun } from '#lib/contract/history.ts'
import { requires } from '#lib/http/caller.ts'
import type { ApiError } from '#lib/http/errors.ts'
import { actorOf } from '../../actor.ts'
import { observedPublish } from '../../observed-publish.ts'
import { dryRun, storedVersion } from '../../versions.ts'
import type { ConsoleParts } from '../console.ts'
import { Csrf, showPage } from '../page.tsx'
import { count } from '../parts/numbers.ts'
import { SideBySide } from '../parts/side-by-side.tsx'
import { FORM_BYTES, readOwnForm } from '../session/form.ts'
import { sessionOf } from '../session/guard.ts'
import type { Session } from '../session/sessions.ts'
import { Problem } from './problem.tsx'
import { asRefusal, type Draft, draftIn, fingerprintOf, newDraft, publicationOf } from './publish-form.ts'

/** How the form stands: what is shown above and below it. */
interface Standing {
  readonly problem?: ApiError | undefined
  readonly notice?: Child
  readonly preview?: Child
}

const Form = ({ draft, session, standing }: { readonly draft: Draft; readonly session: Session; readonly standing: Standing }) => (
  <form method="post" action="/console/publish" class="publish">
    <Csrf session={session} />
    <input type="hidden" name="began" value={draft.began} />
    <input type="hidden" name="once" value={draft.once} />
    <input type="hidden" name="previewed" value={standing.preview === undefined ? '' : fingerprintOf(draft)} />
    {standing.notice ?? null}
    {standing.problem === undefined ? null : <Problem error={standing.problem} />}
    <label for="data">Data: JSON{draft.began === 0 ? '' : `, beginning with version ${draft.began}`}</label>
    <textarea
      id="data"
      name="data"
      rows={18}
      spellcheck={false}
      required
      class="code"
      aria-describedby="json-state"
      {...(standing.problem === undefined ? {} : { 'aria-invalid': 'true' as const })}
    >
      {/* A line break after the tag is not part of what it holds (WHATWG HTML, section 13.1.2.5). */}
      {`\n${draft.data}`}
    </textarea>
    <p id="json-state" role="status" class="hint" />
    <div class="columns">
      <label>
        Comment: why this change
        <input type="text" name="comment" value={draft.comment} maxlength={1000} />
      </label>
      <label>
        Poll interval in seconds, for agents that poll
        <input type="number" name="interval" value={draft.interval} min={1} max={86_400} />
      </label>
    </div>
    <button type="submit" name="step" value="preview" class={standing.preview === undefined ? '' : 'secondary'}>
      Preview
    </button>
    {standing.preview ?? null}
  </form>
)

const Preview = ({
  tried,
  from,
  reached,
}: {
  readonly tried: DryRun
  readonly from: Awaited<ReturnType<typeof storedVersion>> | undefined
  readonly reached: { readonly online: number; readonly reporting: number }
}) => (
  <section aria-labelledby="preview" class="preview">
    <h2 id="preview">Preview of version {tried.would_publish.version}</h2>
    <p role="status">
      It reaches {count(reached.online)} online {reached.online === 1 ? 'agent' : 'agents'}
      {reached.reporting === reached.online ? '' : `, ${count(reached.reporting)} of which report what becomes of it`}.
    </p>
    <SideBySide from={from} to={tried.would_publish} names={[from ? `Version ${from.version}` : 'Nothing', `Version ${tried.would_publish.version}`]} />
    {tried.violations.length > 0 ? (
      <div class="problem" role="alert">
        <p>
          <strong>The config schema refuses it:</strong>
        </p>
        <ul>
          {tried.violations.map(({ path, message }) => (
            <li>
              <code>{path}</code>: {message}
            </li>
          ))}
        </ul>
      </div>
    ) : (
      <button type="submit" name="step" value="publish">
        Publish version {tried.would_publish.version}
      </button>
    )}
  </section>
)

/** Publishing a change: `/console/publish`. */
export function publishRoutes(parts: ConsoleParts) {
  const { assets, feed, fleet, config, address } = parts
  const show = (c: Context, draft: Draft, standing: Standing, status: 200 | 400 | 409 | 412 | 413 | 503 = 200) =>
    showPage(
      c,
      assets,
      sessionOf(c),
      {
        title: 'Publish',
        place: 'publish',
        same: {
          dcm: `dcm publish config.json --if-version ${draft.began} --comment '…' --dry-run\ndcm publish config.json --if-version ${draft.began} --comment '…' --wait`,
          request: { method: 'POST', path: '/config', headers: [`If-Match: "${draft.began}"`], body: '{"data": {…}, "comment": "…"}' },
        },
        children: <Form draft={draft} session={sessionOf(c)} standing={standing} />,
      },
      status,
    )

  /** A draft with what it would change. */
  const preview = async (c: Context, draft: Draft, notice?: Child) => {
    const publication = publicationOf(draft)
    const [tried, status] = await Promise.all([dryRun(parts, publication, `"${draft.began}"`), fleet.status()])
    const from = draft.began === 0 ? undefined : await storedVersion(parts, draft.began)
    return show(c, draft, { notice, preview: <Preview tried={tried} from={from} reached={status.agents} /> })
  }

  const publish = async (c: Context, draft: Draft) => {
    const publication = publicationOf(draft)
    const conditions = { ifMatch: `"${draft.began}"`, idempotencyKey: draft.once }
    const { config: published } = await observedPublish(parts, publication, conditions, actorOf(c, address))
    return c.redirect(`/console/configs/${published.version}`, 303)
  }

  /** What changed meanwhile, and the draft, to go on from there. */
  const overtaken = async (c: Context, draft: Draft, problem: ApiError) => {
    const version = feed.current?.version
    const latest = version === undefined ? undefined : await storedVersion(parts, version)
    const began = draft.began === 0 ? undefined : await storedVersion(parts, draft.began)
    const notice = latest && (
      <section aria-labelledby="meanwhile">
        <h2 id="meanwhile">
          Meanwhile {latest.version === draft.began + 1 ? `version ${latest.version} was` : `versions up to ${latest.version} were`} published
        </h2>
        <SideBySide
          from={began}
          to={latest}
          names={[began ? `Version ${began.version}, with which you began` : 'Nothing', `Version ${latest.version}, the latest`]}
        />
        <p>
          What you wrote is below, as it was. Put in what changed where it is to stay, and look at the preview again: it is compared with version{' '}
          {latest.version} now.
        </p>
      </section>
    )
    const { once } = newDraft(undefined)
    return show(c, { ...draft, began: latest?.version ?? 0, once }, { problem, notice }, 412)
  }

  return new Hono()
    .use('/publish', requires('publish', 'publish'))
    .get('/publish', (c) => show(c, newDraft(feed.current?.config), {}))
    .post('/publish', async (c) => {
      const fields = await readOwnForm(c, config.maxConfigBytes * 2 + FORM_BYTES)
      const draft = draftIn(fields)
      try {
        if (fields.get('step') !== 'publish') return await preview(c, draft)
        if (draft.previewed === fingerprintOf(draft)) return await publish(c, draft)
        return await preview(c, draft, <p role="alert">It is not what was previewed: look at it again before it is published.</p>)
      } catch (error) {
        const problem = asRefusal(error)
        if (problem.code === 'VERSION_CONFLICT') return overtaken(c, draft, problem)
        // A key that was used, for what was published or refused, is not used for something else.
        const { once } = newDraft(undefined)
        const { status } = problem
        return show(c, { ...draft, once }, { problem }, status === 409 || status === 413 || status === 503 ? status : 400)
      }
    })
}
