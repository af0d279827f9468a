import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { errorTable } from '#lib/contract/errors.ts'
import { TestController } from '#test/_support/controller.ts'
import { operations } from './openapi.ts'

const MediaSchema = z.partialRecord(
  z.enum(['application/json', 'text/event-stream', 'application/vnd.sqlite3', 'text/plain', 'application/openmetrics-text']),
  z.object({ schema: z.unknown(), example: z.unknown().optional(), examples: z.record(z.string(), z.unknown()).optional() }),
)
const DocumentSchema = z.object({
  openapi: z.literal('3.1.0'),
  security: z.array(z.unknown()),
  components: z.object({ schemas: z.record(z.string(), z.unknown()), securitySchemes: z.object({ apiKey: z.unknown() }) }),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        summary: z.string(),
        requestBody: z.object({ content: MediaSchema }).optional(),
        responses: z.record(z.string(), z.object({ description: z.string().min(1), content: MediaSchema.optional() })),
      }),
    ),
  ),
})

describe('/openapi.json', () => {
  it('describes every route, with an example for every request and response', async () => {
    await using controller = await TestController.open()
    const response = await controller.request('/openapi.json', { key: null })
    expect(response.status).toBe(200)
    const document = DocumentSchema.parse(await response.json())
    expect(
      Object.entries(document.paths)
        .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
        .sort(),
    ).toEqual(
      operations(controller.app)
        .map(({ name }) => name)
        .sort(),
    )
    for (const { requestBody, responses } of Object.values(document.paths).flatMap((methods) => Object.values(methods))) {
      for (const content of [requestBody?.content, ...Object.values(responses).map((one) => one.content)]) {
        for (const { example, examples } of Object.values(content ?? {})) expect(example ?? Object.values(examples ?? {})[0]).toBeDefined()
      }
    }
  })

  it('is served with every route that the app has, beside its own, the viewer and the console', async () => {
    await using controller = await TestController.open()
    const served = new Set(
      controller.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}')}`),
    )
    const documented = operations(controller.app).map(({ name }) => name)
    expect([...served].filter((route) => !/ \/(docs|openapi\.json|console)/.test(route)).sort()).toEqual([...documented].sort())
  })

  it('gives examples that their own schemas take', async () => {
    await using controller = await TestController.open()
    for (const { name, contents } of operations(controller.app)) {
      for (const { where, schema, examples } of contents) {
        expect(examples.length, `${name} ${where}`).toBeGreaterThan(0)
        for (const example of examples) {
          expect(schema.safeParse(example), `${name} ${where}`).toMatchObject({ success: true })
          // What is no JSON has no envelope: the events of a stream.
          if (where !== 'request' && typeof example !== 'string') expect(example, `${name} ${where}`).toMatchObject({ status: Number(where) })
        }
      }
    }
  })

  it('is the same at each request, and does not grow', async () => {
    await using controller = await TestController.open()
    const first = await (await controller.request('/openapi.json')).text()
    const { length } = controller.app.openAPIRegistry.definitions
    expect(await (await controller.request('/openapi.json')).text()).toBe(first)
    expect(controller.app.openAPIRegistry.definitions.length).toBe(length)
  })
})

describe('/docs', () => {
  it('explains every code that error.docs links to', async () => {
    await using controller = await TestController.open()
    const page = await (await controller.request('/docs/errors', { key: null })).text()
    for (const code of Object.keys(errorTable)) expect(page).toContain(`id="${code}"`)
  })

  it.each([
    ['/docs', 'text/html'],
    ['/docs/start.js', 'text/javascript'],
    ['/docs/swagger-ui.css', 'text/css'],
    ['/docs/swagger-ui-bundle.js', 'text/javascript'],
  ])('serves %s without a key, and lets nothing from outside in', async (path, type) => {
    await using controller = await TestController.open()
    const response = await controller.request(path, { key: null })
    const body = await response.text()
    expect([response.status, response.headers.get('Content-Type')?.startsWith(type)]).toEqual([200, true])
    if (type === 'text/html') {
      expect(response.headers.get('Content-Security-Policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
      expect(body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    }
  })

  it.each(['/docs/package.json', '/docs/..%2fpackage.json', '/docs/constructor', '/docs/swagger-ui.js'])('serves nothing else: %s', async (path) => {
    await using controller = await TestController.open()
    expect((await controller.request(path, { key: null })).status).toBe(404)
  })
})
