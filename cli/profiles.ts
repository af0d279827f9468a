import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { z } from 'zod'
import type { Environment } from '#lib/runtime/env.ts'
import { CliError, exits, reasonOf } from './exit.ts'

/** How an address of a service looks. */
export const UrlSchema = z.string().regex(/^https?:\/\/[^/?#@\s]+\/?$/i, { error: 'expected a URL like http://host:6001' })

const ProfileSchema = z
  .strictObject({
    controller_url: UrlSchema.optional(),
    worker_url: UrlSchema.optional(),
    agent_url: UrlSchema.optional(),
    api_key: z.string().min(1).optional(),
    api_key_file: z.string().min(1).optional(),
    worker_api_key: z.string().min(1).optional(),
  })
  .refine((profile) => profile.api_key === undefined || profile.api_key_file === undefined, { error: 'expected api_key or api_key_file, not both' })

const ProfilesSchema = z.strictObject({ default: z.string().optional(), profiles: z.record(z.string(), ProfileSchema) })

/** Where the services of one fleet are, and the keys for them. */
export type Profile = z.infer<typeof ProfileSchema>

/** What the file of profiles holds. */
export type Profiles = z.infer<typeof ProfilesSchema>

const wrong = (message: string): CliError => new CliError(exits.config, message)

/** The file of profiles. */
export const profilesPath = (env: Environment): string =>
  env.DCM_CONFIG || join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config'), 'dcm', 'config.json')

function readFile(env: Environment, path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (isAbsent && !env.DCM_CONFIG) return undefined
    throw wrong(`cannot read the profiles in ${path}: ${reasonOf(error)}; ${env.DCM_CONFIG ? 'DCM_CONFIG names it' : 'let yourself read it, or remove it'}`)
  }
}

/**
 * The profiles; undefined where there is no file of them.
 * @throws CliError where it cannot be used, or holds keys and others may read it
 */
export function readProfiles(env: Environment): Profiles | undefined {
  const path = profilesPath(env)
  const text = readFile(env, path)
  if (text === undefined) return undefined
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    // The message of the parser would quote the text around, which may be a key.
    throw wrong(`cannot use the profiles in ${path}: it is no JSON`)
  }
  const parsed = ProfilesSchema.safeParse(content)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw wrong(`cannot use the profiles in ${path}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'it is malformed'}`)
  }
  const holdsKeys = Object.values(parsed.data.profiles).some((profile) => profile.api_key !== undefined || profile.worker_api_key !== undefined)
  // Windows has no such modes.
  if (holdsKeys && process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0)
    throw wrong(`cannot use the profiles in ${path}: it holds keys, and others may read it; run: chmod 600 ${path}`)
  return parsed.data
}

/** Where a file that a profile names is: beside the profiles, where its path is relative. */
export const besideProfiles = (env: Environment, path: string): string => (isAbsolute(path) ? path : join(dirname(profilesPath(env)), path))

/**
 * The profile to use: by its name, else the file's default.
 * @throws CliError where there is none of that name
 */
export function chooseProfile(env: Environment, named: string | undefined): { readonly name: string; readonly profile: Profile } | undefined {
  const profiles = readProfiles(env)
  const name = named ?? profiles?.default
  if (name === undefined) return undefined
  const profile = profiles && Object.hasOwn(profiles.profiles, name) ? profiles.profiles[name] : undefined
  if (profile) return { name, profile }
  const known = Object.keys(profiles?.profiles ?? {})
  throw wrong(`cannot use the profile ${JSON.stringify(name)}: ${profilesPath(env)} ${profiles ? `has ${known.join(', ') || 'none'}` : 'is not there'}`)
}
