import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type Health, HealthSchema } from '#lib/contract/health.ts'
import { VERSION } from '#lib/runtime/version.ts'
import { type Answer, ask, neverArrived, reach } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError } from '../exit.ts'
import { type Finding, good, note, problem } from './finding.ts'
import { dataFolder } from './host.ts'

/** How far clocks may be apart, in s. */
const MAX_SKEW_SECONDS = 5

/** A service, and how it is asked. */
interface Asked {
  readonly name: 'controller' | 'agent' | 'worker'
  readonly url: string
  readonly variable: string
  /** What it leaves in DATA_DIR: where one of them is, it has run on this host. */
  readonly traces: readonly string[]
  /** Whether somebody said where it is. */
  readonly isNamed: boolean
  readonly health: () => Promise<Answer>
  readonly ready: () => Promise<Answer>
}

/** Whether a port of this host is free. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}

const isHere = (url: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)

/** Nobody answers. */
async function absent({ env }: Context, { name, url, variable, traces, isNamed }: Asked, why: string): Promise<Finding[]> {
  const at = new URL(url)
  const port = Number(at.port || (at.protocol === 'https:' ? 443 : 80))
  const ports =
    isHere(at) && neverArrived(why)
      ? [
          (await isFree(port))
            ? good(`port ${port}`, 'is free')
            : problem(`port ${port}`, 'is in use, and not by this system', `stop what listens there, or set ${name.toUpperCase()}_PORT`),
        ]
      : []
  const isExpected = isNamed || name === 'controller' || traces.some((file) => existsSync(join(dataFolder(env), file)))
  const missing = isExpected
    ? problem(name, why, `start it (npm run ${name}, or npm start for all three), or set ${variable} to where it runs`)
    : note(name, `none runs at ${url}, and none has left anything in ${dataFolder(env)}`)
  return [missing, ...ports]
}

/** The clock of a service against ours; the header tells whole seconds. */
function clockFinding(name: string, answer: Answer, askedAt: number): Finding[] {
  const theirs = Date.parse(answer.headers.get('Date') ?? '')
  if (Number.isNaN(theirs)) return []
  const ours = (askedAt + Date.now()) / 2
  const seconds = Math.round(Math.abs(theirs + 500 - ours) / 1000)
  if (seconds <= MAX_SKEW_SECONDS) return [good(`${name} clock`, 'is that of this host')]
  const which = theirs < ours ? 'behind' : 'before'
  return [
    problem(`${name} clock`, `is ${seconds} s ${which} that of this host`, 'let both hosts set their time by NTP: keys expire and the audit is dated by it'),
  ]
}

function releaseFinding(name: string, { version }: Health): Finding {
  if (version === VERSION) return good(`${name} release`, version)
  return problem(`${name} release`, `is ${version}, this command is ${VERSION}`, 'docs/upgrading.md has the order in which to upgrade')
}

async function readyFinding(name: string, url: string, ready: () => Promise<Answer>): Promise<Finding> {
  try {
    await reach(url, ready)
    return good(name, `runs at ${url}, and is ready`)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const missing = error.details.map(({ path, message }) => `${path}: ${message}`).join('; ')
    return problem(name, `runs at ${url}, and is not ready: ${missing || error.message}`, 'wait for what is missing, or mend it; its log says more')
  }
}

/** A service: there, ready, well, of this release, with this time. */
async function serviceFindings(context: Context, asked: Asked): Promise<Finding[]> {
  const { name, url } = asked
  const askedAt = Date.now()
  let answer: Answer
  let health: Health
  try {
    answer = await reach(url, asked.health)
    const received = answer
    health = await ask(url, async () => received, HealthSchema)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return absent(context, asked, error.message.replace(/; (?:does it run|is it of another release|is that its address).*$/, ''))
  }
  if (health.service !== name)
    return [
      problem(
        name,
        `what answers at ${url} is ${health.service === 'agent' ? 'an agent' : `a ${health.service}`}`,
        `set ${asked.variable} to where the ${name} runs`,
      ),
    ]
  const warn = (warning: string) =>
    health.status === 'ok' ? note(`${name} says`, warning) : problem(`${name} says`, warning, 'docs/operations.md says what to do')
  return [await readyFinding(name, url, asked.ready), ...health.warnings.map(warn), releaseFinding(name, health), ...clockFinding(name, answer, askedAt)]
}

/** The three services. */
export async function servicesFindings(context: Context): Promise<Readonly<Record<Asked['name'], readonly Finding[]>>> {
  const { settings, controller, agent } = context
  const worker = context.worker()
  const [controllerFindings, agentFindings, workerFindings] = await Promise.all([
    serviceFindings(context, {
      name: 'controller',
      url: settings.controllerUrl,
      variable: 'CONTROLLER_URL',
      traces: [],
      isNamed: true,
      health: () => controller.health.$get(),
      ready: () => controller.ready.$get(),
    }),
    serviceFindings(context, {
      name: 'agent',
      url: settings.agentUrl,
      variable: 'AGENT_URL',
      traces: ['agent-instance.json', 'agent-cache.json'],
      isNamed: settings.named.agent,
      health: () => agent.health.$get(),
      ready: () => agent.ready.$get(),
    }),
    serviceFindings(context, {
      name: 'worker',
      url: settings.workerUrl,
      variable: 'WORKER_URL',
      traces: ['worker-config.json', 'hits.db', 'queue-engine.json'],
      isNamed: settings.named.worker,
      health: () => worker.health.$get(),
      ready: () => worker.ready.$get(),
    }),
  ])
  return { controller: controllerFindings, agent: agentFindings, worker: workerFindings }
}

/** Whether a service answered. */
export const isThere = (findings: readonly Finding[]): boolean => findings.some(({ what }) => what.endsWith(' release'))
