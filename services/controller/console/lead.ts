import { createMiddleware } from 'hono/factory'

/** Whether a browser wants a page: it asks for HTML before anything else, and programs do not. */
const wantsPage = (accept: string | undefined): boolean => accept?.split(',')[0]?.trim().startsWith('text/html') ?? false

/** Leads a browser from `/` to the console; a program goes on to what the API says there. */
export const leadBrowsers = createMiddleware(async function leadToConsole(c, next) {
  if (c.req.path === '/' && c.req.method === 'GET' && wantsPage(c.req.header('Accept'))) return c.redirect('/console', 302)
  return next()
})

/** Whether a path is a page of the console, or leads there. */
export const isConsolePage = (path: string): boolean => path === '/' || path === '/console' || path.startsWith('/console/')
