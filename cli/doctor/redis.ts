import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { parseRedisUrl, type RedisAddress, type RedisHost } from '#lib/queue/redis-url.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { reasonOf } from '../exit.ts'
import { type Finding, good, problem } from './finding.ts'

const PATIENCE_MS = 2000

/** A command as Redis reads it (RESP: redis.io/docs/latest/develop/reference/protocol-spec). */
const commandOf = (...words: readonly string[]): string => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`

function open({ host, port }: RedisHost, address: RedisAddress, env: Environment): Socket {
  if (!address.tls) return connectTcp({ host, port })
  const file = env.REDIS_TLS_CA_FILE
  return connectTls({ host, port, servername: host, ...(file ? { ca: readFileSync(file) } : {}) })
}

/** Sends commands, and gives the first answer that is no success, else undefined. */
async function talk(socket: Socket, commands: readonly (readonly string[])[]): Promise<string | undefined> {
  for (const command of commands) {
    socket.write(commandOf(...command))
    const [answer] = await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS) })
    const line = String(answer).split('\r\n')[0] ?? ''
    if (line.startsWith('-')) return `refuses: ${line.slice(1)}`
    if (!/^\+(OK|PONG)$/.test(line)) return `answers ${JSON.stringify(line.slice(0, 60))}, and is no Redis`
  }
  return undefined
}

async function askHost(where: RedisHost, address: RedisAddress, env: Environment): Promise<Finding> {
  const what = address.kind === 'sentinel' ? 'Redis Sentinel' : 'Redis'
  const shown = `${where.host} port ${where.port}`
  const password = address.password ?? (address.kind === 'sentinel' ? undefined : env.REDIS_PASSWORD || undefined)
  const username = address.username ?? (address.kind === 'sentinel' ? undefined : env.REDIS_USERNAME || undefined)
  let socket: Socket | undefined
  try {
    socket = open(where, address, env)
    await once(socket, address.tls ? 'secureConnect' : 'connect', { signal: AbortSignal.timeout(PATIENCE_MS) })
    const login = password === undefined ? [] : [['AUTH', ...(username === undefined ? [] : [username]), password]]
    const failure = await talk(socket, [...login, ['PING']])
    if (failure === undefined) return good(what, `answers on ${shown}`)
    return problem(what, `${shown} ${failure}`, 'set REDIS_HOST and REDIS_PORT, REDIS_USERNAME and REDIS_PASSWORD, or REDIS_URL, to what is there')
  } catch (error) {
    const why = error instanceof Error && error.name === 'AbortError' ? `no answer within ${PATIENCE_MS / 1000} s` : reasonOf(error)
    return problem(what, `${shown}: ${why}`, 'start Redis, or set REDIS_URL, or REDIS_HOST and REDIS_PORT, to where it is')
  } finally {
    socket?.destroy()
  }
}

/** Redis, where the environment says that there is one. */
export async function redisFindings(env: Environment): Promise<Finding[]> {
  if (!env.REDIS_URL && !env.REDIS_HOST) return []
  let address: RedisAddress
  try {
    const port = Number(env.REDIS_PORT || 6379)
    address = env.REDIS_URL ? parseRedisUrl(env.REDIS_URL) : { kind: 'single', tls: false, hosts: [{ host: env.REDIS_HOST ?? '', port }] }
  } catch (error) {
    return [problem('Redis', 'REDIS_URL cannot be read', `it ${reasonOf(error)}`)]
  }
  return Promise.all(address.hosts.map((where) => askHost(where, address, env)))
}
