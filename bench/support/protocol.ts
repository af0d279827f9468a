import { z } from 'zod'

/** Something that the bench asks of one of its own child processes: named, with its argument and its answer checked on arrival. */
export interface Command<A extends z.ZodType, R extends z.ZodType> {
  readonly name: string
  readonly args: A
  readonly answer: R
}

/** Declares a command. */
export const command = <A extends z.ZodType, R extends z.ZodType>(name: string, args: A, answer: R): Command<A, R> => ({ name, args, answer })

/** No argument, or no answer. */
export const nothing = z.object({})
const count = z.number().int().nonnegative()
const rate = z.object({ count, seconds: z.number().positive() })

/** How many operations were done, and in how many seconds. */
export type Rate = z.output<typeof rate>

/** Listening on a port that the kernel chose. */
const listening = z.object({ port: z.number() })

/** children/load.ts: one round of a closed loop over kept-alive connections. */
export const runLoad = command(
  'run',
  z.object({
    port: z.number(),
    /** The whole request as it goes over the wire; `@@@@@@@@@@` in it is another number in each. */
    request: z.string(),
    connections: z.number().int().positive(),
    /** Ends after this time, or after this many requests. */
    until: z.union([z.object({ ms: z.number().positive() }), z.object({ requests: z.number().int().positive() })]),
    /** What each answer must be, or the round fails. */
    expect: z.object({ status: z.number(), includes: z.string(), bodyBytes: z.number().optional() }),
    /** Reads `"version":N` from each answer, and fails where they are not consecutive. */
    versions: z.boolean().optional(),
  }),
  rate.extend({
    /** Bodies of the first few answers. */
    samples: z.array(z.string()),
    lastVersion: z.number().optional(),
  }),
)

/** children/open-loop.ts: requests that are sent when they are due, whether or not those before were answered. */
export const runOpenLoop = command(
  'run',
  z.object({
    port: z.number(),
    /** The whole request as it goes over the wire; the answer must be a 202 that names a task. */
    request: z.string(),
    per_second: z.number().positive(),
    ms: z.number().positive(),
  }),
  z.object({
    /** When each hit's request was due, by its task's id, on the machine's monotonic clock. */
    due_ms: z.record(z.string(), z.number()),
    /** From when each request was due to the last byte of its answer. */
    answered_ms: z.array(z.number()),
  }),
)

/** children/bare-http.ts: serves one config like a hand-written server would. */
export const bareListen = command('listen', z.object({ version: count, head: z.string(), tail: z.string(), port: z.number().optional() }), listening)
export const bareWaiting = command('waiting', nothing, z.object({ waiting: count }))

/** children/controller.ts: serves as our controller does, and counts its answers or not. */
export const serveController = command('serve', z.object({ folder: z.string(), counting: z.boolean() }), listening)

/** children/raw-inserts.ts: single committed inserts. */
export const openInserts = command('open', z.object({ path: z.string(), row: z.enum(['config', 'hit']), json: z.string() }), nothing)
export const runInserts = command('run', z.object({ ms: z.number().positive() }), rate)

/** children/watchers.ts: many long polls from one process. */
export const openWatchers = command('open', z.object({ port: z.number(), connections: z.number().int().positive() }), nothing)
export const parkWatchers = command('park', z.object({ request: z.string() }), nothing)
export const publishToWatchers = command(
  'publish',
  z.object({ request: z.string(), version: count }),
  z.object({
    /** From just before the publish was written to the last byte of each watcher's answer, sorted. */
    latencies_ms: z.array(z.number().nonnegative()),
  }),
)

/** children/queue-port.ts: our queue without HTTP. */
export const openQueue = command(
  'open',
  z.discriminatedUnion('engine', [z.object({ engine: z.literal('redis'), port: z.number() }), z.object({ engine: z.literal('embedded'), path: z.string() })]),
  nothing,
)
/** children/raw-bullmq.ts: BullMQ as its documentation shows it; with a target, also a worker and an HTTP front. */
export const openRawQueue = command('open', z.object({ port: z.number() }), nothing)
export const serveRawHits = command('serve', z.object({ port: z.number(), url: z.string(), concurrency: z.number().int().positive() }), listening)
/** children/queue-port.ts: queues hits of a URL in bulk, as fast as the engine takes them. */
export const fillQueue = command('fill', z.object({ jobs: z.number().int().positive(), url: z.string() }), rate)
/** Of both: adds jobs, then counts them in the queue. */
export const addJobs = command('add', z.object({ jobs: z.number().int().positive(), concurrency: z.number().int().positive() }), rate.extend({ queued: count }))

/** children/target.ts: what hits go to. */
export const listenTarget = command('listen', z.object({ body: z.string() }), listening)
/** Requests are answered at once, or held until the next call of this; the count starts from 0. */
export const resetTarget = command('reset', z.object({ hold: z.boolean() }), nothing)
export const targetReached = command('reached', z.object({ count }), nothing)
/** When the first request of each hit came, by the task's id in its Idempotency-Key, on the machine's monotonic clock; since the last reset. */
export const targetStarts = command('starts', nothing, z.object({ starts_ms: z.record(z.string(), z.number()) }))
/** Forgets who has come; those that are held stay so. */
export const forgetTargetStarts = command('forget', nothing, nothing)
/** Waits until so many hits have come, whether they were answered or not. */
export const targetMet = command('met', z.object({ count }), nothing)

/** children/etcd-watchers.ts: watchers of one key, a connection each. */
export const openEtcdWatchers = command('open', z.object({ port: z.number(), watchers: count }), nothing)
/** Puts a value, and waits until each watcher has it. */
export const putToEtcd = command('put', z.object({ value: z.string() }), z.object({ latencies_ms: z.array(z.number()) }))
