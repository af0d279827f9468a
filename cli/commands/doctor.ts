import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { connect } from 'node:net'
import { HealthSchema } from '#lib/contract/health.ts'
import { descriptorLimit } from '#lib/runtime/descriptors.ts'
import { VERSION } from '#lib/runtime/version.ts'
import { type Answer, ask, reach } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits } from '../exit.ts'
import { safe } from '../output.ts'

/** One thing that was looked at. */
interface Finding {
  readonly what: string
  readonly ok: boolean
  readonly found: string
  /** What to do; absent where all is well. */
  readonly fix?: string
}

/** How far clocks may be apart, in s. */
const MAX_SKEW = 5
/** How much room there should be, in bytes. */
const MIN_FREE = 512 * 1024 * 1024
const MIN_DESCRIPTORS = 4096

const good = (what: string, found: string): Finding => ({ what, ok: true, found })
const bad = (what: string, found: string, fix: string): Finding => ({ what, ok: false, found, fix })

/** A service: reachable, well, of this release, with the same time. */
async function service(context: Context, what: string, where: string, variable: string): Promise<Finding[]> {
  let answer: Awaited<ReturnType<typeof context.controller.health.$get>>
  try {
    answer = await reach(where, () => (what === 'worker' ? context.worker.health.$get() : context.controller.health.$get()))
  } catch (error) {
    return [bad(what, error instanceof Error ? error.message : String(error), `start it (npm run ${what}), or set ${variable} to where it runs`)]
  }
  const date = Date.parse(answer.headers.get('Date') ?? '')
  const skew = Math.abs(Date.now() - date) / 1000
  const health = await ask(where, async () => answer, HealthSchema)
  const findings = [
    health.status === 'ok' ? good(what, `${where} is well`) : bad(what, `${where} is degraded`, 'look at its warnings below, and at its log'),
    ...health.warnings.map((warning) => bad(`${what} warns`, safe(warning), 'see docs/operations.md')),
    health.version === VERSION
      ? good(`${what} release`, health.version)
      : bad(`${what} release`, `${safe(health.version)}, this command is ${VERSION}`, 'see docs/upgrading.md for the order in which to upgrade'),
  ]
  if (Number.isFinite(skew))
    findings.push(
      skew <= MAX_SKEW
        ? good(`${what} clock`, 'the same as here')
        : bad(`${what} clock`, `${Math.round(skew)} s apart from this one`, 'let both hosts keep their time by NTP'),
    )
  return findings
}

/** Whether the key is accepted, and how far it reaches. */
async function key({ controller, settings }: Context): Promise<Finding> {
  const calls: readonly (readonly [string, () => Promise<Answer>])[] = [
    ['an admin', () => controller.keys.$get()],
    ['a publisher', () => controller.status.$get()],
    ['an agent', () => controller.config.$get({ query: {}, header: {} })],
  ]
  for (const [who, call] of calls) {
    try {
      await reach(settings.controllerUrl, call)
      return good('API key', `is that of ${who}`)
    } catch (error) {
      if (!(error instanceof CliError)) throw error
      if (error.code === 'NOT_FOUND') return good('API key', `is that of ${who}`)
      if (error.code !== 'NOT_PERMITTED')
        return bad('API key', error.message, 'set API_KEY, API_KEY_FILE, or api_key of the profile, to a key that the controller accepts')
    }
  }
  return bad('API key', 'is accepted, and may read nothing', 'ask an admin for another role')
}

/** Whether something listens. */
function redis({ env }: Context): Promise<Finding> | undefined {
  const url = env.REDIS_URL && URL.canParse(env.REDIS_URL) ? new URL(env.REDIS_URL) : undefined
  if (url === undefined && !env.REDIS_HOST) return undefined
  const host = url?.hostname.replace(/^\[|\]$/g, '') || env.REDIS_HOST || 'localhost'
  const port = Number(url?.port || env.REDIS_PORT || 6379)
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 })
    const end = (finding: Finding) => {
      socket.destroy()
      resolve(finding)
    }
    const missing = (why: string) => end(bad('Redis', `${host} port ${port}: ${why}`, 'start Redis, or set REDIS_HOST, REDIS_PORT or REDIS_URL to where it is'))
    socket.once('connect', () => end(good('Redis', `listens on ${host} port ${port}`)))
    socket.once('timeout', () => missing('no answer in 2 s'))
    socket.once('error', (error) => missing(error.message))
  })
}

/** This host: Node.js, open files, DATA_DIR. */
function host({ env }: Context): Finding[] {
  const findings = [good('Node.js', process.versions.node)]
  const limit = descriptorLimit()
  if (limit !== undefined) {
    findings.push(
      limit >= MIN_DESCRIPTORS
        ? good('open files', String(limit))
        : bad('open files', `at most ${limit}`, `raise the limit (ulimit -n ${MIN_DESCRIPTORS}): each watcher is a connection`),
    )
  }
  const folder = env.DATA_DIR || './data'
  if (!existsSync(folder)) return [...findings, good('DATA_DIR', `${folder} is not there yet: a service makes it`)]
  try {
    accessSync(folder, constants.W_OK)
    const { bavail, bsize } = statfsSync(folder)
    const free = bavail * bsize
    const shown = `${folder}: ${Math.round(free / 1024 / 1024)} MiB free`
    return [...findings, free >= MIN_FREE ? good('DATA_DIR', shown) : bad('DATA_DIR', shown, 'make room: a full disk stops publishes and hits')]
  } catch (error) {
    return [...findings, bad('DATA_DIR', error instanceof Error ? error.message : String(error), `let the user that runs the services write to ${folder}`)]
  }
}

/** `dcm doctor`. */
export async function doctor(context: Context): Promise<number> {
  const { settings, output } = context
  const controller = await service(context, 'controller', settings.controllerUrl, 'CONTROLLER_URL')
  const findings = [
    ...host(context),
    ...controller,
    ...(controller.length > 1 ? [await key(context)] : []),
    ...(await service(context, 'worker', settings.workerUrl, 'WORKER_URL')),
    ...[await redis(context)].flatMap((finding) => (finding ? [finding] : [])),
  ]
  const { green, red, bold } = output.colours
  output.result({ ok: findings.every(({ ok }) => ok), findings }, () =>
    findings
      .map(
        ({ what, ok, found, fix }) => `${ok ? green('ok  ') : red('bad ')} ${bold(what.padEnd(20))} ${found}${fix ? `\n     ${' '.repeat(20)} -> ${fix}` : ''}`,
      )
      .join('\n'),
  )
  return findings.every(({ ok }) => ok) ? exits.ok : exits.found
}
