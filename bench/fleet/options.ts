import { parseArgs } from 'node:util'
import { z } from 'zod'
import { API_KEY } from '../support/http-text.ts'

/** A mistake in the command line, in words for whoever typed it. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** How the simulator is called. */
export const usage = `npm run fleet -- [options]

  --agents N              how many agents (10000)
  --via stream|wait|poll  how they follow (stream)
  --relays R              puts R relays between the controller and the agents (0)
  --tiers T               in T tiers, of which the agents follow the lowest (1)
  --publishes P           how many versions are published (5)
  --bytes B               about how large each config is (400)
  --interval S            seconds between polls (30; 2 with --via poll)
  --processes K           processes for the agents (one for each 10000)
  --report                agents report what they applied
  --restart               kills the controller halfway and starts it again
  --never-read PERCENT    this share of the streams is never read (0)
  --within MS             how long a publish may take to an agent that nothing disturbs (1000; with poll the interval is added)
  --controller URL        a controller or relay that runs already: nothing is started then
  --api-key KEY           its key
  --json FILE             writes all figures there
`

const whole = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,9}$/, { error })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error })
}

const OptionsSchema = z.object({
  agents: whole(1, 1_000_000).default(10_000),
  via: z.enum(['stream', 'wait', 'poll'], { error: 'must be stream, wait or poll' }).default('stream'),
  relays: whole(0, 1000).default(0),
  tiers: whole(1, 16).default(1),
  publishes: whole(1, 10_000).default(5),
  bytes: whole(200, 1_000_000).default(400),
  interval: whole(1, 86_400).optional(),
  processes: whole(1, 1000).optional(),
  within: whole(1, 600_000).default(1000),
  'never-read': z
    .string()
    .regex(/^\d{1,2}(\.\d+)?$/, { error: 'must be a percentage below 100' })
    .transform(Number)
    .default(0),
  controller: z.url({ protocol: /^http$/, error: 'must be an http: URL' }).optional(),
  'api-key': z.string().min(1, { error: 'must not be empty' }).default(API_KEY),
  json: z.string().min(1, { error: 'must name a file' }).optional(),
  report: z.boolean().default(false),
  restart: z.boolean().default(false),
})

const text = { type: 'string' } as const
const flag = { type: 'boolean' } as const

/** How many agents one process simulates where nothing is said. */
const AGENTS_PER_PROCESS = 10_000

/**
 * Reads the command line.
 * @throws UsageError
 */
export function readOptions(args: readonly string[]) {
  const given = parse(args)
  const parsed = OptionsSchema.safeParse(given)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const name = String(issue?.path[0])
    throw new UsageError(`Cannot take --${name} ${JSON.stringify(Object.entries(given).find(([key]) => key === name)?.[1])}: it ${issue?.message}`)
  }
  const options = parsed.data
  const { via, controller, relays, restart, tiers } = options
  if (options['never-read'] > 0 && via !== 'stream')
    throw new UsageError(`Cannot take --never-read with --via ${via}: only a stream goes on without being read`)
  if (controller !== undefined && (relays > 0 || restart))
    throw new UsageError('Cannot take --relays or --restart with --controller: what was not started here is not ended here')
  if (relays > 0 && relays < tiers) throw new UsageError(`Cannot put --relays ${relays} into --tiers ${tiers}: each tier needs one at least`)
  return { ...options, interval: options.interval ?? (via === 'poll' ? 2 : 30), processes: options.processes ?? Math.ceil(options.agents / AGENTS_PER_PROCESS) }
}

/** What was asked for. */
export type SimulatorOptions = ReturnType<typeof readOptions>

function parse(args: readonly string[]): Readonly<Record<string, unknown>> {
  try {
    const options = {
      ...{ agents: text, via: text, relays: text, tiers: text, publishes: text, bytes: text, interval: text, processes: text, within: text },
      ...{ 'never-read': text, controller: text, 'api-key': text, json: text, report: flag, restart: flag },
    }
    return { ...parseArgs({ args: [...args], options }).values }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}
