import { expect, it } from 'vitest'
import { z } from 'zod'
import { TestWorker } from '#test/_support/worker.ts'
import { operations } from '../controller/openapi.ts'

const DocumentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), z.object({ summary: z.string(), responses: z.record(z.string(), z.unknown()) }))),
})

it('/openapi.json describes every route that the worker has', async () => {
  await using worker = await TestWorker.open({ process: false })
  const document = DocumentSchema.parse(await (await worker.request('/openapi.json')).json())
  const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`))
  const served = worker.app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replace(/:(\w+)/g, '{$1}')}`)
  expect(described.sort()).toEqual([...new Set(served.filter((route) => !/ \/(docs|openapi\.json)/.test(route)))].sort())
  expect(described).toEqual(
    operations(worker.app)
      .map(({ name }) => name)
      .sort(),
  )
})

it('gives examples that their own schemas take', async () => {
  await using worker = await TestWorker.open({ process: false })
  for (const { name, contents } of operations(worker.app)) {
    for (const { where, schema, examples } of contents) {
      expect(examples.length, `${name} ${where}`).toBeGreaterThan(0)
      for (const example of examples) {
        expect(schema.safeParse(example), `${name} ${where}`).toMatchObject({ success: true })
        // What is no JSON has no envelope: the metrics.
        if (where !== 'request' && typeof example !== 'string') expect(example, `${name} ${where}`).toMatchObject({ status: Number(where) })
      }
    }
  }
})
