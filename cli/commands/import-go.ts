import type { Context } from '../context.ts'
import { CliError, type Detail, exits } from '../exit.ts'

/** `configs, row 3: data: …` as place and reason. */
function detailOf(problem: string): Detail {
  const at = problem.indexOf(': ')
  return { path: problem.slice(0, at), message: problem.slice(at + 2) }
}

/** `dcm import-go FILE`: offline, into a new database. */
export async function importGo({ env, output }: Context, file: string, options: { readonly to?: string }): Promise<number> {
  const offline = await import('../offline.ts')
  const to = options.to ?? offline.databasePath(env)
  const outcome = offline.importGo(file, to)
  if (outcome.kind === 'refused') {
    const { problems } = outcome
    const what = problems.length === 1 ? `this does not fit: ${problems[0]}` : `${problems.length} things do not fit`
    throw new CliError(exits.data, `nothing was imported from ${file}: ${what}`, { details: problems.map(detailOf) })
  }
  const { versions, agents } = outcome
  output.result({ path: to, versions, agents }, () => to)
  output.note(`imported ${versions} versions and ${agents} agents; start the controller with CONTROLLER_DB_PATH=${to}`)
  return exits.ok
}
