// The one file of the command that reaches into the database itself: for what is done while no controller runs. It is
// loaded for those commands alone, since the native part of better-sqlite3 takes its time.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Environment, StartError } from '#lib/runtime/env.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { takeLock } from '#lib/store/sqlite/database.ts'
import { type ImportOutcome, importGoDatabase } from '#lib/store/sqlite/import-go.ts'
import { NotADatabaseError } from '#lib/store/sqlite/inspect.ts'
import { type Restored, restoreDatabase } from '#lib/store/sqlite/restore.ts'
import { CliError, exits, reasonOf } from './exit.ts'

/** The controller's database, as the controller finds it. */
export const databasePath = (env: Environment): string => env.CONTROLLER_DB_PATH || join(env.DATA_DIR || './data', 'controller.db')

const isFileError = (error: unknown): error is Error => error instanceof Error && 'syscall' in error

/** An error of the database, in the words of this command. */
function offlineError(action: string, error: unknown): unknown {
  // What the services say at their start; here nothing starts.
  if (error instanceof StartError) return new CliError(error.exitCode, `cannot ${action}: ${error.message.replace(/^Cannot start[^:]*: /, '')}`)
  if (isFileError(error)) return new CliError(exits.cannotCreate, `cannot ${action}: ${error.message}`)
  return error
}

/** @throws CliError; the database is as it was then */
export function restoreBackup(from: string, to: string): Restored {
  if (!existsSync(from)) throw new CliError(exits.noInput, `cannot restore ${from}: there is no such file`)
  try {
    return restoreDatabase({ from, to, migrations: migrationsFolder(), at: new Date() })
  } catch (error) {
    if (error instanceof NotADatabaseError) throw new CliError(exits.data, `cannot restore ${from}: ${error.message}; ${to} is as it was`)
    throw offlineError(`restore ${from} to ${to}`, error)
  }
}

/** @throws CliError; nothing is imported then */
export function importGo(from: string, to: string): ImportOutcome {
  if (!existsSync(from)) throw new CliError(exits.noInput, `cannot import ${from}: there is no such file`)
  if (existsSync(to)) throw new CliError(exits.cannotCreate, `cannot import into ${to}: it exists already; name a new file with --to`)
  try {
    // So that no controller begins one of that name meanwhile.
    const lock = takeLock(to)
    try {
      return importGoDatabase({ from, to, migrations: migrationsFolder() })
    } finally {
      lock.release()
    }
  } catch (error) {
    if (error instanceof StartError || isFileError(error)) throw offlineError(`import ${from} into ${to}`, error)
    throw new CliError(exits.data, `cannot import ${from}: ${reasonOf(error)}`)
  }
}
