import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { StartError } from '#lib/runtime/env.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { importGoDatabase } from '#lib/store/sqlite/import-go.ts'
import { RestoreRefused, restoreDatabase } from '#lib/store/sqlite/restore.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'

/** The controller's database, as the controller finds it. */
const databasePath = ({ env }: Context): string => env.CONTROLLER_DB_PATH || join(env.DATA_DIR || './data', 'controller.db')

/** `dcm restore FILE`: offline, under the controller's lock. */
export async function restore(context: Context, file: string): Promise<number> {
  const to = databasePath(context)
  if (!existsSync(file)) throw new CliError(exits.noInput, `cannot restore ${file}: there is no such file`)
  try {
    const restored = restoreDatabase({ from: file, to, migrations: migrationsFolder(), at: new Date().toISOString().replaceAll(':', '-') })
    const kept = restored.before === undefined ? '' : `\nthe one from before is ${restored.before}`
    context.output.result({ ...restored, path: to }, () => `restored ${to}: ${restored.versions} versions; start the controller${kept}`)
    return exits.ok
  } catch (error) {
    if (error instanceof RestoreRefused) throw new CliError(exits.data, `cannot restore ${file}: ${error.message}; ${to} is as it was`)
    if (error instanceof StartError) throw new CliError(error.exitCode, `cannot restore: ${error.message.replace(/^Cannot start: /, '')}`)
    throw error
  }
}

/** `dcm import-go FILE`: offline, into a new database. */
export async function importGo(context: Context, file: string, options: { readonly to?: string }): Promise<number> {
  const to = options.to ?? databasePath(context)
  if (!existsSync(file)) throw new CliError(exits.noInput, `cannot import ${file}: there is no such file`)
  if (existsSync(to))
    throw new CliError(exits.cannotCreate, `cannot import into ${to}: it exists already; name a new file with --to, or with CONTROLLER_DB_PATH`)
  let outcome: ReturnType<typeof importGoDatabase>
  try {
    outcome = importGoDatabase({ from: file, to, migrations: migrationsFolder() })
  } catch (error) {
    throw new CliError(exits.data, `cannot import ${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (outcome.kind === 'refused') {
    const details = outcome.problems.map((problem) => {
      const at = problem.indexOf(': ')
      return { path: problem.slice(0, at), message: problem.slice(at + 2) }
    })
    throw new CliError(exits.data, `nothing was imported, since ${details.length === 1 ? 'a row does' : `${details.length} rows do`} not fit`, { details })
  }
  const { versions, agents } = outcome
  context.output.result(
    { path: to, versions, agents },
    () => `imported ${versions} versions and ${agents} agents into ${to}; start the controller with CONTROLLER_DB_PATH=${to}`,
  )
  return exits.ok
}
