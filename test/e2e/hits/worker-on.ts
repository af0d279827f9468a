import { expect } from 'vitest'
import type { TestProcess } from '#test/_support/process.ts'
import { TestRedis } from '#test/_support/redis.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A variable of a worker's environment, or several. */
type Env = Readonly<Record<string, string>>

/** A store that outlives the workers on it. */
export interface Store extends AsyncDisposable {
  readonly env: Env
  /** The Redis, where it is the store. */
  readonly redis?: TestRedis
  /** The DATA_DIR. */
  readonly folder: TempFolder
}

/** An embedded queue, in a folder of its own. */
export async function embedded(): Promise<Store> {
  const folder = new TempFolder()
  return { env: { DATA_DIR: folder.path, HIT_QUEUE: 'embedded' }, folder, [Symbol.asyncDispose]: async () => folder[Symbol.dispose]() }
}

/** A store on a Redis of a test's own, which may have been started or not. */
export function storeOn(redis: TestRedis): Store & { readonly redis: TestRedis } {
  const folder = new TempFolder()
  return {
    env: { DATA_DIR: folder.path, HIT_QUEUE: 'redis', REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) },
    redis,
    folder,
    [Symbol.asyncDispose]: async () => {
      await redis[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

/**
 * What a Redis is started with whose kill must lose nothing: it syncs before each answer. With `everysec` it puts a write into
 * its file off for up to 2 s while a sync is under way (flushAppendOnlyFile), and answers all the same.
 */
export const synced = ['--appendfsync', 'always']

/** Both engines, each with an empty store; a Redis may be given settings. */
export const engines: readonly (readonly [name: string, open: (settings?: readonly string[]) => Promise<Store>])[] = [
  ['embedded', embedded],
  ['Redis', async (settings = []) => storeOn(await TestRedis.start(settings))],
]

/** A worker in a process of its own. */
export interface Worker extends AsyncDisposable {
  readonly process: TestProcess
  readonly port: number
}

/** Starts a worker on a store; resolves when it listens. */
export async function startWorker(store: Store, env: Env = {}): Promise<Worker> {
  const process = startService('worker', { ...store.env, ...env })
  try {
    const port = await process.listening()
    return { process, port, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() }
  } catch (error) {
    await process[Symbol.asyncDispose]()
    throw error
  }
}

/** Gives a worker a config. */
export async function configure({ port }: Pick<Worker, 'port'>, data: Readonly<Record<string, unknown>>, version = 1): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}/config`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ version, data }),
  })
  expect(answer.status, await answer.text()).toBe(200)
}

/** kill -9; resolves when the process has ended. */
export async function kill({ process }: Worker): Promise<void> {
  process.signal('SIGKILL')
  expect((await process.ended).signal).toBe('SIGKILL')
}
