import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { may } from '#lib/http/caller.ts'
import { VERSION } from '#lib/runtime/version.ts'
import type { Assets } from './assets/assets.ts'
import { SameBy } from './parts/same.tsx'
import type { Same } from './parts/shell.ts'
import type { Session } from './session/sessions.ts'
import { type Theme, themeOf, themes } from './session/theme.ts'

/** Where a view stands in the navigation. */
export type Place = 'overview' | 'agents' | 'configs' | 'publish' | 'hits' | 'keys' | 'audit'

/** What a page of the console shows. */
export interface PageContent {
  readonly title: string
  readonly place: Place
  /** What does the same as this view. */
  readonly same: Same
  readonly children?: Child
}

const places: readonly { readonly place: Place; readonly href: string; readonly name: string; readonly permission: 'fleet' | 'publish' | 'admin' }[] = [
  { place: 'overview', href: '/console', name: 'Overview', permission: 'fleet' },
  { place: 'agents', href: '/console/agents', name: 'Agents', permission: 'fleet' },
  { place: 'configs', href: '/console/configs', name: 'Configs', permission: 'publish' },
  { place: 'publish', href: '/console/publish', name: 'Publish', permission: 'publish' },
  { place: 'hits', href: '/console/hits', name: 'Hits', permission: 'publish' },
  { place: 'keys', href: '/console/keys', name: 'Keys', permission: 'admin' },
  { place: 'audit', href: '/console/audit', name: 'Audit', permission: 'admin' },
]

/** The token that every form of a session carries. */
export const Csrf = ({ session }: { readonly session: Session }) => <input type="hidden" name="csrf" value={session.csrf} />

/** The document around what is shown; without a session it has no navigation. */
export const Document = ({
  title,
  theme,
  assets,
  children,
}: {
  readonly title: string
  readonly theme: Theme
  readonly assets: Assets
  readonly children?: Child
}) => (
  <html lang="en" {...(theme === 'auto' ? {} : { 'data-theme': theme })}>
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content={theme === 'auto' ? 'light dark' : theme} />
      <meta name="htmx-config" content='{"includeIndicatorCSS": false}' />
      <title>{title} · dcm</title>
      <link rel="icon" href={assets.href('icon.svg')} type="image/svg+xml" />
      <link rel="stylesheet" href={assets.href('console.css')} />
      <script src={assets.href('console.js')} defer />
    </head>
    <body>{children}</body>
  </html>
)

/** Answers with a document. */
export const answerPage = (c: Context, document: Child, status: ContentfulStatusCode = 200): Response | Promise<Response> =>
  c.html(
    <>
      {raw('<!doctype html>')}
      {document}
    </>,
    status,
  )

const Navigation = ({ place, session }: { readonly place: Place; readonly session: Session }) => (
  <nav aria-label="Console">
    <ul>
      {places
        .filter(({ permission }) => may(session.caller, permission))
        .map((one) => (
          <li>
            <a href={one.href} {...(one.place === place ? { 'aria-current': 'page' as const } : {})}>
              {one.name}
            </a>
          </li>
        ))}
    </ul>
  </nav>
)

const Account = ({ session, theme }: { readonly session: Session; readonly theme: Theme }) => (
  <div class="account">
    <form method="post" action="/console/theme" class="themes">
      <Csrf session={session} />
      <fieldset aria-label="Look">
        {themes.map((one) => (
          <button type="submit" name="theme" value={one} class="small" aria-pressed={one === theme ? 'true' : 'false'}>
            {one === 'auto' ? 'System' : one === 'light' ? 'Light' : 'Dark'}
          </button>
        ))}
      </fieldset>
    </form>
    <form method="post" action="/console/logout">
      <Csrf session={session} />
      <span class="who">
        {session.caller.name} <small>({session.caller.role})</small>
      </span>
      <button type="submit" class="small secondary">
        Log out
      </button>
    </form>
  </div>
)

/**
 * Answers with a page of the console, behind the login.
 * @param status of the answer; 200 where absent
 */
export function showPage(
  c: Context,
  assets: Assets,
  session: Session,
  { title, place, same, children }: PageContent,
  status: ContentfulStatusCode = 200,
): Response | Promise<Response> {
  const theme = themeOf(c)
  const page = (
    <Document title={title} theme={theme} assets={assets}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="/console">
          dcm
        </a>
        <Navigation place={place} session={session} />
        <Account session={session} theme={theme} />
      </header>
      <p id="connection" class="connection" role="status" hidden />
      <main id="main" tabindex={-1}>
        <h1>{title}</h1>
        {children}
      </main>
      <footer>
        <SameBy same={same} />
        <p>
          <a href="/docs">API documentation</a> · <a href="/metrics">Metrics</a> · <a href="/health">Health</a> · dcm {VERSION}
        </p>
      </footer>
    </Document>
  )
  return answerPage(c, page, status)
}
