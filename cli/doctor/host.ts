import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { descriptorLimit } from '#lib/runtime/descriptors.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { nodeProblem } from '#lib/runtime/node-version.ts'
import { reasonOf } from '../exit.ts'
import { type Finding, good, note, problem } from './finding.ts'

/** How much room there should be, in bytes. */
const MIN_FREE = 512 * 1024 * 1024
/** How many files and connections a service should have at once. */
const MIN_DESCRIPTORS = 4096

/** Where the services of this host keep what must last. */
export const dataFolder = (env: Environment): string => env.DATA_DIR || './data'

function nodeFinding(): Finding {
  const wrong = nodeProblem(process.versions.node)
  return wrong === undefined ? good('Node.js', process.versions.node) : problem('Node.js', process.versions.node, wrong)
}

function filesFinding(): Finding {
  const limit = descriptorLimit()
  if (limit === undefined) return good('open files', 'no limit')
  if (limit >= MIN_DESCRIPTORS) return good('open files', `${limit} at most`)
  return problem(
    'open files',
    `${limit} at most`,
    `raise the limit for who runs the services (ulimit -n 65536, LimitNOFILE= of systemd): each agent is a connection`,
  )
}

/** The folder itself, or the one above it that is there. */
const nearest = (path: string): string => (existsSync(path) ? path : nearest(dirname(path)))

function dataFindings(env: Environment): Finding[] {
  const folder = dataFolder(env)
  const there = nearest(resolve(folder))
  const what = 'DATA_DIR'
  try {
    accessSync(there, constants.W_OK | constants.X_OK)
  } catch (error) {
    return [
      problem(
        what,
        `${folder} cannot be written: ${reasonOf(error)}`,
        `let the user that runs the services write to ${there}, or set DATA_DIR to another folder`,
      ),
    ]
  }
  const { bavail, bsize } = statfsSync(there)
  const free = `${Math.floor((bavail * bsize) / 1024 / 1024)} MiB free`
  if (bavail * bsize < MIN_FREE) return [problem(what, `${folder}: ${free}`, 'make room: a full disk stops publishes and hits')]
  return [existsSync(folder) ? good(what, `${folder}: can be written, ${free}`) : note(what, `${folder} is not there yet, a service makes it; ${free}`)]
}

/** What of this host matters: Node.js, open files, the disk. */
export const hostFindings = (env: Environment): Finding[] => [nodeFinding(), filesFinding(), ...dataFindings(env)]
