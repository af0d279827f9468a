import type { Context } from '../context.ts'
import { exits } from '../exit.ts'

/** `dcm restore FILE`: offline, under the controller's lock. */
export async function restore({ env, output }: Context, file: string, options: { readonly to?: string }): Promise<number> {
  const { databasePath, restoreBackup } = await import('../offline.ts')
  const restored = restoreBackup(file, options.to ?? databasePath(env))
  output.result(restored, () => restored.path)
  output.note(
    `restored ${restored.versions} versions, the latest is ${restored.latest_version}, and ${restored.audit_entries} entries of the audit; start the controller. ` +
      'Agents see that versions went back, ask once more to be sure, and follow.',
  )
  if (restored.before !== undefined) output.note(`the database from before is kept: ${restored.before}`)
  return exits.ok
}
