import { z } from 'zod'
import { agentEnv } from '#services/agent/config.ts'
import { controllerEnv } from '#services/controller/config.ts'
import { workerEnv } from '#services/worker/config.ts'

/** A variable's default as a reader would write it. */
function defaultOf(schema: z.ZodType): string {
  if (!(schema instanceof z.ZodDefault)) return ''
  const value: unknown = schema.def.defaultValue
  return value === '' || value === undefined ? '' : `\`${String(value)}\``
}

/** The table of all variables, with the services that read them. */
export function environmentTable(): string {
  const rows = new Map<string, { readers: string[]; standard: string; text: string }>()
  for (const [service, env] of Object.entries({ controller: controllerEnv, agent: agentEnv, worker: workerEnv })) {
    for (const [name, schema] of Object.entries(env.shape)) {
      if (!(schema instanceof z.ZodType)) continue
      const row = rows.get(name) ?? { readers: [], standard: defaultOf(schema), text: schema.description ?? '' }
      if (row.text === '') throw new Error(`Cannot write the table: ${name} has no description`)
      row.readers.push(service)
      rows.set(name, row)
    }
  }
  const lines = [...rows].map(
    ([name, { readers, standard, text }]) => `| \`${name}\` | ${standard} | ${readers.length === 3 ? 'all' : readers.join(', ')} | ${text} |`,
  )
  return ['| variable | default | read by | meaning |', '|---|---|---|---|', ...lines].join('\n')
}
