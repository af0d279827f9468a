import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Environment } from '#lib/runtime/env.ts'
import { readKeyFile } from '#lib/runtime/key-file.ts'
import { CliError, exits } from './exit.ts'

const url = z.string().regex(/^https?:\/\/[^/?#@]+\/?$/i, { error: 'expected a URL like http://host:6001' })

const ProfileSchema = z.strictObject({
  controller_url: url.optional(),
  worker_url: url.optional(),
  api_key: z.string().optional(),
  api_key_file: z.string().optional(),
  worker_api_key: z.string().optional(),
})
const ProfilesSchema = z.strictObject({ default: z.string().optional(), profiles: z.record(z.string(), ProfileSchema) })
type Profiles = z.infer<typeof ProfilesSchema>

/** Where the services are, and the keys for them. */
export interface Settings {
  readonly controllerUrl: string
  readonly workerUrl: string
  readonly apiKey: string
  readonly workerApiKey: string | undefined
}

const wrong = (message: string): CliError => new CliError(exits.config, message)

/** The file of profiles. */
export const profilesPath = (env: Environment): string =>
  env.DCM_CONFIG || join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'dcm', 'config.json')

function readProfiles(env: Environment): Profiles | undefined {
  const path = profilesPath(env)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    if (env.DCM_CONFIG) throw wrong(`cannot read DCM_CONFIG ${JSON.stringify(path)}: there is no such file that can be read`)
    return undefined
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw wrong(`cannot use ${path}: ${error instanceof Error ? error.message : 'it is no JSON'}`)
  }
  const parsed = ProfilesSchema.safeParse(content)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw wrong(`cannot use ${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'it is malformed'}`)
  }
  const holdsKeys = Object.values(parsed.data.profiles).some((profile) => profile.api_key !== undefined || profile.worker_api_key !== undefined)
  if (holdsKeys && process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw wrong(`cannot use ${path}: it holds keys, and others may read it; run: chmod 600 ${path}`)
  return parsed.data
}

/**
 * Where the services are: by the environment, else by a profile, else on this host.
 * @param profileName as --profile says
 * @throws CliError where the profile is not there or is wrong
 */
export function loadSettings(env: Environment, profileName: string | undefined): Settings {
  const name = profileName ?? (env.DCM_PROFILE || undefined)
  const profiles = readProfiles(env)
  const wanted = name ?? profiles?.default
  const profile = wanted === undefined ? undefined : profiles?.profiles[wanted]
  if (wanted !== undefined && profile === undefined) {
    const known = Object.keys(profiles?.profiles ?? {})
    throw wrong(`cannot use profile ${JSON.stringify(wanted)}: ${profilesPath(env)} has ${known.length > 0 ? known.join(', ') : 'no profiles'}`)
  }
  const addressOf = (variable: string, given: string | undefined, fallback: string): string => {
    const value = given || fallback
    if (!url.safeParse(value).success) throw wrong(`cannot use ${variable} ${JSON.stringify(value)}: expected a URL like http://host:6001`)
    return value.replace(/\/+$/, '')
  }
  return {
    controllerUrl: addressOf('CONTROLLER_URL', env.CONTROLLER_URL || profile?.controller_url, 'http://localhost:6001'),
    workerUrl: addressOf('WORKER_URL', env.WORKER_URL || profile?.worker_url, 'http://localhost:6002'),
    apiKey: env.API_KEY || keyFrom(env.API_KEY_FILE) || profile?.api_key || keyFrom(profile?.api_key_file) || 'default-api-key',
    workerApiKey: env.WORKER_API_KEY || profile?.worker_api_key || undefined,
  }
}

function keyFrom(file: string | undefined): string | undefined {
  if (!file) return undefined
  try {
    return readKeyFile(file)
  } catch (error) {
    throw wrong(`cannot read the key file ${JSON.stringify(file)}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
