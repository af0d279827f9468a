import { type Answer, reach } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { type Finding, good, problem } from './finding.ts'

/** How far the key reaches at the controller, tried from the most on. */
export async function controllerKey({ controller, settings }: Context): Promise<Finding> {
  const what = 'API key'
  const tries: readonly (readonly [string, () => Promise<Answer>])[] = [
    ['an admin', () => controller.keys.$get()],
    ['a publisher', () => controller.configs.$get({ query: { limit: '1' } })],
    ['an agent or a relay', () => controller.config.$get({ query: {}, header: {} })],
  ]
  for (const [who, call] of tries) {
    try {
      await reach(settings.controllerUrl, call)
      return good(what, `is accepted, and that of ${who}`)
    } catch (error) {
      if (!(error instanceof CliError)) throw error
      if (error.code === 'NOT_PERMITTED') continue
      // The key was looked at, and there is no config yet.
      if (error.code === 'NOT_FOUND') return good(what, `is accepted, and that of ${who}`)
      return problem(what, `is not accepted: ${error.message}`, 'set API_KEY or API_KEY_FILE, or the key of the profile, to a key of this controller')
    }
  }
  return problem(what, 'is accepted, and may read nothing', 'let an admin make a key of another role (dcm keys make)')
}

/** Whether the worker takes the key, or needs none. */
export async function workerKey(context: Context): Promise<Finding> {
  const what = 'worker key'
  try {
    await reach(context.settings.workerUrl, () => context.worker().config.$get())
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    if (error.exitCode === exits.noPermission)
      return problem(what, `is not accepted: ${error.message}`, 'set WORKER_API_KEY or WORKER_API_KEY_FILE to the key of this worker')
    if (error.code !== 'NOT_FOUND') return problem(what, `cannot be tried: ${error.message}`, 'look at the log of the worker')
  }
  return good(what, context.settings.workerApiKey === undefined ? 'none is needed' : 'is accepted')
}
