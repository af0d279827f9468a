import { z } from 'zod'
import type { ControllerApp } from '#services/controller/app.ts'

const ContentSchema = z.record(
  z.string(),
  z.object({
    schema: z.custom<z.ZodType>((value) => value instanceof z.ZodType),
    example: z.unknown().optional(),
    examples: z.record(z.string(), z.object({ value: z.unknown() })).optional(),
  }),
)
const RouteSchema = z.object({
  method: z.string(),
  path: z.string(),
  request: z.object({ body: z.object({ content: ContentSchema }).optional() }).optional(),
  responses: z.record(z.string(), z.object({ description: z.string(), content: ContentSchema.optional() })),
})

/** An operation of a service as its routes define it, with the schemas themselves. */
export interface Operation {
  readonly name: string
  readonly statuses: readonly number[]
  readonly contents: readonly { readonly where: string; readonly schema: z.ZodType; readonly examples: readonly unknown[] }[]
}

/** The operations that the OpenAPI document is made from. */
export function operations(app: Pick<ControllerApp, 'openAPIRegistry'>): Operation[] {
  const routes = app.openAPIRegistry.definitions.flatMap((definition) => (definition.type === 'route' ? [RouteSchema.parse(definition.route)] : []))
  return routes.map(({ method, path, request, responses }) => {
    const all = [
      { where: 'request', content: request?.body?.content ?? {} },
      ...Object.entries(responses).map(([status, { content }]) => ({ where: status, content: content ?? {} })),
    ]
    return {
      name: `${method} ${path}`,
      statuses: Object.keys(responses).map(Number),
      contents: all.flatMap(({ where, content }) =>
        Object.values(content).map(({ schema, example, examples }) => ({
          where,
          schema,
          examples: [...(example === undefined ? [] : [example]), ...Object.values(examples ?? {}).map(({ value }) => value)],
        })),
      ),
    }
  })
}
