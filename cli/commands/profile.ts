import type { Context } from '../context.ts'
import { exits } from '../exit.ts'
import { type Profile, profilesPath, readProfiles } from '../profiles.ts'

/** Where a profile has its key from; the key itself is never shown. */
const keyOf = ({ api_key, api_key_file }: Profile): string | null => (api_key === undefined ? (api_key_file ?? null) : 'in the profile')

/** `dcm profile list`. */
export async function listProfiles({ env, output }: Context): Promise<number> {
  const path = profilesPath(env)
  const file = readProfiles(env)
  const inUse = env.DCM_PROFILE || file?.default
  const profiles = Object.entries(file?.profiles ?? {}).map(([name, profile]) => ({
    name,
    default: name === inUse,
    controller_url: profile.controller_url ?? null,
    worker_url: profile.worker_url ?? null,
    agent_url: profile.agent_url ?? null,
    key: keyOf(profile),
    worker_key: profile.worker_api_key === undefined ? null : 'in the profile',
  }))
  output.result({ file: path, profiles }, () =>
    output.table(
      ['NAME', 'DEFAULT', 'CONTROLLER', 'WORKER', 'AGENT', 'KEY', 'WORKER KEY'],
      profiles.map((one) => [one.name, one.default ? 'yes' : '', one.controller_url, one.worker_url, one.agent_url, one.key, one.worker_key]),
    ),
  )
  output.note(file === undefined ? `there is no file of profiles; it would be ${path}` : `from ${path}`)
  return exits.ok
}
