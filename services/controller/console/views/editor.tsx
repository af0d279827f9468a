import type { Child } from 'hono/jsx'
import { MAX_POLL_INTERVAL_SECONDS } from '#lib/contract/config.ts'
import type { ErrorDetail } from '#lib/contract/envelope.ts'
import { Csrf } from '../page.tsx'
import type { Draft, Steps } from '../parts/draft.ts'
import type { Session } from '../session/sessions.ts'

/** What a form carries unseen. */
export const Carried = ({ session, steps: { base, formKey } }: { readonly session: Session; readonly steps: Steps }) => (
  <>
    <Csrf session={session} />
    <input type="hidden" name="base" value={base} />
    <input type="hidden" name="form_key" value={formKey} />
  </>
)

/** The attributes of a field of which something is wrong. */
const wrong = (problems: readonly ErrorDetail[], field: RegExp) =>
  problems.some(({ path }) => field.test(path)) ? { 'aria-invalid': 'true' as const, 'aria-describedby': 'problems' } : {}

/** The fields of a draft. */
const DraftFields = ({ draft, problems }: { readonly draft: Draft; readonly problems: readonly ErrorDetail[] }) => (
  <>
    <label for="data">Data: a JSON object</label>
    <textarea
      id="data"
      name="data"
      class="code"
      rows={Math.min(30, Math.max(10, draft.text.split('\n').length + 1))}
      spellcheck={false}
      autocomplete="off"
      autocapitalize="off"
      required
      data-json="data"
      data-said="data-said"
      {...wrong(problems, /^(?:data|body)\b/)}
    >
      {/* The first end of line in it is not part of it (HTML, section 13.1.2.5). */}
      {`\n${draft.text}`}
    </textarea>
    <p id="data-said" class="said" role="status" />
    <div class="columns">
      <label>
        Poll interval, in seconds <small>(of agents that poll; empty: 30)</small>
        <input
          name="poll_interval_seconds"
          inputmode="numeric"
          pattern="[0-9]*"
          maxlength={String(MAX_POLL_INTERVAL_SECONDS).length}
          value={draft.interval}
          {...wrong(problems, /^poll_interval_seconds/)}
        />
      </label>
      <label>
        Comment <small>(why this change; in history and audit)</small>
        <input name="comment" maxlength={1000} value={draft.comment} {...wrong(problems, /^comment/)} />
      </label>
    </div>
  </>
)

/** Where a config is written: its fields, and the way to its preview. */
export const Editor = ({
  session,
  draft,
  problems = [],
}: {
  readonly session: Session
  readonly draft: Draft
  readonly problems?: readonly ErrorDetail[] | undefined
}) => (
  <form method="post" action="/console/publish" class="editor">
    <Carried session={session} steps={draft} />
    <DraftFields draft={draft} problems={problems} />
    <button type="submit" name="step" value="preview">
      Preview
    </button>
    <p>
      <small>
        {draft.base === 0
          ? 'It will be the first version, unless somebody publishes meanwhile.'
          : `It begins with version ${draft.base}: whatever is published meanwhile is shown to you before yours.`}
      </small>
    </p>
  </form>
)

/** A draft that was looked at, to be published or written on. */
export const Confirmation = ({ session, draft, children }: { readonly session: Session; readonly draft: Draft; readonly children?: Child }) => (
  <form method="post" action="/console/publish" class="confirm" data-once>
    <Carried session={session} steps={draft} />
    <input type="hidden" name="data" value={draft.text} />
    <input type="hidden" name="poll_interval_seconds" value={draft.interval} />
    <input type="hidden" name="comment" value={draft.comment} />
    {children}
  </form>
)
