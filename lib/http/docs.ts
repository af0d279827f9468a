import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { html, raw } from 'hono/html'
import { errorTable } from '../contract/errors.ts'
import { VERSION } from '../runtime/version.ts'
import { ApiError } from './errors.ts'

/** The files of the viewer that are served, with their types: nothing else of the package can be reached. */
const assets = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
} as const

const isAsset = (name: string): name is keyof typeof assets => Object.hasOwn(assets, name)

/** The viewer sets styles from its script, so styles may be inline; scripts may not, and nothing comes from elsewhere. */
const pageHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}

const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#ui', deepLinking: true, validatorUrl: null, tryItOutEnabled: true })\n`

/** A page of the service. */
function page(c: Context, title: string, body: ReturnType<typeof html>) {
  const document = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
${body}
</html>`
  return c.html(document, 200, pageHeaders)
}

/** `what` and `fix` use backticks for code, as the Markdown made from the same table does. */
const prose = (text: string) =>
  raw(
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replace(/`([^`]+)`/g, '<code>$1</code>'),
  )

/**
 * Adds `/openapi.json`, made from the routes' schemas at the first request, and `/docs`: a viewer that needs
 * no outside host, and the list of error codes that `error.docs` links to.
 */
export function addDocs(app: OpenAPIHono, options: { readonly title: string; readonly description: string; readonly needsKey: boolean }): void {
  const resolve = createRequire(import.meta.url).resolve
  let document: string | undefined
  // Once, not at each request: the registry keeps all it is given.
  if (options.needsKey) app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', { type: 'apiKey', in: 'header', name: 'X-API-Key' })

  app.get('/openapi.json', (c) => {
    document ??= JSON.stringify(
      app.getOpenAPI31Document({
        openapi: '3.1.0',
        info: { title: options.title, version: VERSION, description: options.description },
        ...(options.needsKey ? { security: [{ apiKey: [] }] } : {}),
      }),
    )
    return c.body(document, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache' })
  })

  app.get('/docs', (c) =>
    page(
      c,
      `${options.title}: API`,
      html`<body><div id="ui"></div><noscript>The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>`,
    ),
  )

  app.get('/docs/start.js', (c) => c.body(start, 200, { 'Content-Type': 'text/javascript', 'X-Content-Type-Options': 'nosniff' }))

  app.get('/docs/errors', (c) =>
    page(
      c,
      'Error codes',
      html`<body class="swagger-ui" style="max-width: 48rem; margin: 2rem auto; padding: 0 1rem"><h1>Error codes</h1>${Object.entries(errorTable).map(
        ([code, info]) =>
          html`<section id="${code}"><h2>${code} (${info.status})</h2><p>${prose(info.what)}</p><p><strong>What to do:</strong> ${prose(info.fix)}</p></section>`,
      )}</body>`,
    ),
  )

  app.get('/docs/:asset', async (c) => {
    const name = c.req.param('asset')
    if (!isAsset(name)) throw new ApiError('NOT_FOUND', `Cannot find ${JSON.stringify(name.slice(0, 100))} in the documentation; it begins at /docs`)
    const content = await readFile(resolve(`swagger-ui-dist/${name}`))
    return c.body(new Uint8Array(content), 200, { 'Content-Type': assets[name], 'Cache-Control': 'public, max-age=3600', 'X-Content-Type-Options': 'nosniff' })
  })
}
