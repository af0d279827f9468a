import type { Context } from 'hono'
import { raw } from 'hono/html'
import { errorTable } from '#lib/contract/errors.ts'
import { ApiError } from '#lib/http/errors.ts'
import { requestId } from '#lib/http/request-id.ts'
import type { Assets } from '../assets/assets.ts'
import { answerPage, Document } from '../page.tsx'
import { isForPart } from '../session/guard.ts'
import { themeOf } from '../session/theme.ts'

/** The table's texts use backticks for code, as the Markdown made from it does. */
const prose = (text: string) =>
  raw(
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replace(/`([^`]+)`/g, '<code>$1</code>'),
  )

/** What a refusal is shown with; whatever else went wrong is no matter of a form. */
export function asRefusal(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  throw error
}

/** What went wrong, as a part of a page: the message, each place, and what to do. */
export const Problem = ({ error, id }: { readonly error: ApiError; readonly id?: string | undefined }) => (
  <div class="problem" role="alert">
    <p>
      <strong>{error.message}</strong>
    </p>
    {error.details.length === 0 ? null : (
      <ul>
        {error.details.map(({ path, message }) => (
          <li>
            <code>{path}</code>: {message}
          </li>
        ))}
      </ul>
    )}
    <p>{prose(errorTable[error.code].fix)}</p>
    <p>
      <small>
        <a href={`/docs/errors#${error.code}`}>{error.code}</a>
        {id === undefined ? null : ` · request ${id}`}
      </small>
    </p>
  </div>
)

/** The same as HTML: for a part of a page that is kept up to date. */
export const problemHtml = (error: ApiError): string => String(<Problem error={error} />)

/** Answers with what went wrong: as a page, or as the part that htmx asked for. */
export function showProblem(c: Context, assets: Assets, error: ApiError): Response | Promise<Response> {
  for (const [name, value] of Object.entries(error.headers)) c.header(name, value)
  const id = requestId(c)
  c.header('X-Request-Id', id)
  if (isForPart(c)) return c.html(<Problem error={error} id={id} />, error.status)
  return answerPage(
    c,
    <Document title={`Error ${error.status}`} theme={themeOf(c)} assets={assets}>
      <main id="main" class="login">
        <h1>{error.status === 404 ? 'Not found' : error.status < 500 ? 'That did not work' : 'Something is wrong here'}</h1>
        <Problem error={error} id={id} />
        <p>
          <a href="/console">Back to the overview</a>
        </p>
      </main>
    </Document>,
    error.status,
  )
}
