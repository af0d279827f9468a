import type { Environment } from '#lib/runtime/env.ts'
import { readKeyFile } from '#lib/runtime/key-file.ts'
import { CliError, exits, reasonOf } from './exit.ts'
import { besideProfiles, chooseProfile, type Profile, UrlSchema } from './profiles.ts'

/** The key that every example uses, and that a controller has which was given none. */
const DEFAULT_API_KEY = 'default-api-key'

/** Where the services are, and the keys for them. */
export interface Settings {
  readonly controllerUrl: string
  readonly workerUrl: string
  readonly agentUrl: string
  readonly apiKey: string
  readonly workerApiKey: string | undefined
  /** Which of the addresses somebody named, rather than leaving them to the defaults. */
  readonly named: { readonly worker: boolean; readonly agent: boolean }
  /** The profile they are from, where one is used. */
  readonly profile: string | undefined
}

const wrong = (message: string): CliError => new CliError(exits.config, message)

/** An address: which variable or field says it, and what it says. */
function addressOf(name: string, value: string): string {
  if (!UrlSchema.safeParse(value).success)
    // Credentials in it are not repeated.
    throw wrong(`cannot use ${name} ${JSON.stringify(value.replace(/\/\/[^/@]*@/, '//…@'))}: expected a URL like http://host:6001`)
  return value.replace(/\/+$/, '')
}

function keyInFile(name: string, path: string): string {
  try {
    return readKeyFile(path)
  } catch (error) {
    throw wrong(`cannot use ${name} ${JSON.stringify(path)}: ${reasonOf(error)}`)
  }
}

/** The key that a variable gives, or the file that its other one names. */
function environmentKey(env: Environment, variable: 'API_KEY' | 'WORKER_API_KEY'): string | undefined {
  const [key, file] = [env[variable], env[`${variable}_FILE`]]
  if (key && file) throw wrong(`${variable} and ${variable}_FILE are both set: set one of them`)
  return file ? keyInFile(`${variable}_FILE`, file) : key || undefined
}

const profileKey = (env: Environment, profile: Profile | undefined): string | undefined =>
  profile?.api_key ?? (profile?.api_key_file === undefined ? undefined : keyInFile('api_key_file', besideProfiles(env, profile.api_key_file)))

/** One that is given first goes before one that is given second. */
type Order = <T>(fromEnvironment: T | undefined, fromProfile: T | undefined) => T | undefined

/**
 * A key and where it goes. A key from the profile goes to the profile's own address alone: an address that is left over in
 * the environment must not get the key of another fleet.
 */
function keyFor(options: {
  readonly variable: string
  readonly url: string
  readonly profileUrl: string | undefined
  readonly profileName: string | undefined
  readonly environment: string | undefined
  readonly profile: string | undefined
  readonly order: Order
}): string | undefined {
  const { environment, profile, profileUrl, url, variable, order } = options
  const key = order(environment, profile)
  const isProfiles = profile !== undefined && key === profile && key !== environment
  if (isProfiles && profileUrl !== undefined && profileUrl.replace(/\/+$/, '') !== url)
    throw wrong(
      `${variable} says ${url}, and the key is that of the profile ${JSON.stringify(options.profileName)} for ${profileUrl}: unset ${variable}, or set the key for it in the environment too`,
    )
  return key
}

/**
 * Where the services are. What the environment says goes before a profile that is a default or named by DCM_PROFILE; a
 * profile that is named on the command line goes before the environment: whoever names a fleet means that one.
 * @param named as --profile says
 * @throws CliError where something is wrong
 */
export function loadSettings(env: Environment, named: string | undefined): Settings {
  const chosen = chooseProfile(env, named ?? (env.DCM_PROFILE || undefined))
  const profile = chosen?.profile
  const order: Order = (fromEnvironment, fromProfile) => (named === undefined ? (fromEnvironment ?? fromProfile) : (fromProfile ?? fromEnvironment))
  const url = (variable: string, fromProfile: string | undefined, port: string | undefined, standard: number) =>
    addressOf(variable, order(env[variable] || undefined, fromProfile) ?? `http://localhost:${port || standard}`)
  const controllerUrl = url('CONTROLLER_URL', profile?.controller_url, env.CONTROLLER_PORT, 6001)
  // Where a relay has no worker, its variable says so.
  const hasWorker = env.WORKER_URL !== 'none'
  const workerUrl = hasWorker ? url('WORKER_URL', profile?.worker_url, env.WORKER_PORT, 6002) : 'http://localhost:6002'
  const common = { profileName: chosen?.name, order }
  return {
    controllerUrl,
    workerUrl,
    agentUrl: url('AGENT_URL', profile?.agent_url, env.AGENT_PORT, 8081),
    apiKey:
      keyFor({
        ...common,
        variable: 'CONTROLLER_URL',
        url: controllerUrl,
        profileUrl: profile?.controller_url,
        environment: environmentKey(env, 'API_KEY'),
        profile: profileKey(env, profile),
      }) ?? DEFAULT_API_KEY,
    workerApiKey: keyFor({
      ...common,
      variable: 'WORKER_URL',
      url: workerUrl,
      profileUrl: profile?.worker_url,
      environment: environmentKey(env, 'WORKER_API_KEY'),
      profile: profile?.worker_api_key,
    }),
    named: {
      worker: hasWorker && Boolean(env.WORKER_URL || profile?.worker_url),
      agent: Boolean(env.AGENT_URL || profile?.agent_url),
    },
    profile: chosen?.name,
  }
}
