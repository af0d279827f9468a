import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { Admission, type AdmissionLimits, beginsToWait } from '#lib/http/admission.ts'
import { createApp } from '#lib/http/app.ts'
import { outgoingOf } from '#lib/http/outgoing.ts'
import { type Listening, serve } from '#lib/http/serve.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { descriptorLimit } from '#lib/runtime/descriptors.ts'
import { checkError } from '#test/_support/controller.ts'
import { type RawAnswer, rawRequest, requestBytes } from '#test/_support/raw-http.ts'

/** A clock that stands until it is moved, and dice that fall as they are told. */
const clock = { at: 0, dice: 0, monotonic: () => clock.at, random: () => clock.dice }
let listening: Listening | undefined
let releases: (() => void)[] = []
let admission: Admission
const warnings: string[] = []

async function open(limits: AdmissionLimits): Promise<number> {
  clock.at = 0
  clock.dice = 0
  warnings.length = 0
  admission = new Admission(limits, { clock, logger: { ...silentLogger, warn: (_part, message) => void warnings.push(message) } })
  const app = createApp({ logger: silentLogger })
  const held = async () => new Promise<void>((resolve) => void releases.push(resolve))
  app.get('/health', (c) => c.text('alive'))
  app.get('/config', (c) => c.text('read'))
  app.post('/config', async (c) => {
    await held()
    return c.text('published')
  })
  app.get('/work', async (c) => {
    await held()
    return c.text('done')
  })
  app.get('/config/stream', async (c) => {
    beginsToWait(outgoingOf(c))
    await held()
    return c.text('events')
  })
  listening = await serve({ fetch: app.fetch, port: 0, host: '127.0.0.1', name: 'controller', admission })
  return listening.port
}

const get = (port: number, path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`, { headers: { Connection: 'close' } })

/** One request on a connection of its own. */
async function alone(port: number, path: string): Promise<RawAnswer> {
  const answer = await rawRequest(port, requestBytes('GET', path))
  if (!answer) throw new Error('no answer')
  return answer
}

afterEach(async () => {
  for (const release of releases.splice(0)) release()
  await listening?.close(AbortSignal.abort())
  releases = []
})

describe('requests in progress', () => {
  it('are bounded: one more is answered 503 at once, and taken again when one has ended', async () => {
    const port = await open({ max_in_progress: 2, max_new_connections_per_second: 0 })
    const working = [get(port, '/work'), get(port, '/work')]
    await expect.poll(() => releases.length).toBe(2)
    const refused = await alone(port, '/work')
    expect(refused.status).toBe(503)
    expect(checkError(refused, 'OVERLOADED').message).toContain('2 requests are in progress')
    expect(refused.headers.get('Retry-After')).toBe('1')
    expect(admission.figures).toEqual({ in_progress: 2, shed: 1 })
    releases.shift()?.()
    expect(await Promise.race(working).then((answer) => answer.status)).toBe(200)
    await expect.poll(() => admission.figures.in_progress).toBe(1)
    const again = get(port, '/work')
    await expect.poll(() => releases.length).toBe(2)
    for (const release of releases.splice(0)) release()
    expect((await again).status).toBe(200)
    await Promise.all(working)
  })

  it('do not count who is held, and probes are answered however many there are', async () => {
    const port = await open({ max_in_progress: 1, max_new_connections_per_second: 0 })
    const held = [get(port, '/config/stream'), get(port, '/config/stream'), get(port, '/config/stream')]
    await expect.poll(() => releases.length).toBe(3)
    expect(admission.figures.in_progress).toBe(0)
    const working = get(port, '/work')
    await expect.poll(() => releases.length).toBe(4)
    expect((await alone(port, '/work')).status).toBe(503)
    expect((await alone(port, '/health')).status).toBe(200)
    for (const release of releases.splice(0)) release()
    for (const each of [...held, working]) expect((await each).status).toBe(200)
  })

  it('count whatever is not held yet, whatever it looks like', async () => {
    const port = await open({ max_in_progress: 1, max_new_connections_per_second: 0 })
    const working = get(port, '/work')
    await expect.poll(() => releases.length).toBe(1)
    const posted = await rawRequest(port, requestBytes('POST', '/config?wait=1', { body: '{}' }))
    expect(posted?.status).toBe(503)
    expect((await alone(port, '/config/stream')).status).toBe(503)
    expect((await alone(port, '/healthy')).status).toBe(503)
    for (const release of releases.splice(0)) release()
    await working
  })

  it('tell nobody longer than a minute, and forget with time how many were sent away', async () => {
    const port = await open({ max_in_progress: 1, max_new_connections_per_second: 0 })
    const working = get(port, '/work')
    await expect.poll(() => releases.length).toBe(1)
    clock.dice = 0.999
    let told = ''
    for (let n = 0; n < 100; n += 1) told = (await alone(port, '/work')).headers.get('Retry-After') ?? ''
    expect(told).toBe('60')
    clock.at += 3_600_000
    expect((await alone(port, '/work')).headers.get('Retry-After')).toBe('1')
    for (const release of releases.splice(0)) release()
    await working
  })

  it('end with a client that goes away', async () => {
    const port = await open({ max_in_progress: 1, max_new_connections_per_second: 0 })
    const gone = new AbortController()
    const working = fetch(`http://127.0.0.1:${port}/work`, { signal: gone.signal }).catch((error: unknown) => error)
    await expect.poll(() => admission.figures.in_progress).toBe(1)
    gone.abort()
    await working
    await expect.poll(() => admission.figures.in_progress).toBe(0)
  })
})

describe('new connections', () => {
  it('beyond the rate are answered 503 and closed; the next second takes as many again', async () => {
    const port = await open({ max_in_progress: 0, max_new_connections_per_second: 3 })
    for (let n = 0; n < 3; n += 1) expect((await alone(port, '/config')).status).toBe(200)
    const refused = await alone(port, '/config')
    checkError(refused, 'OVERLOADED')
    expect(refused.headers.get('Connection')).toBe('close')
    expect((await alone(port, '/health')).status).toBe(200)
    clock.at += 1000
    for (let n = 0; n < 3; n += 1) expect((await alone(port, '/config')).status).toBe(200)
    expect((await alone(port, '/config')).status).toBe(503)
  })

  it('send a connection that was taken no 503 later', async () => {
    const port = await open({ max_in_progress: 0, max_new_connections_per_second: 1 })
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    await turn()
    expect((await alone(port, '/config')).status).toBe(503)
    const closed = once(socket, 'close')
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.write(Buffer.concat([requestBytes('GET', '/config'), requestBytes('GET', '/config', { headers: { Connection: 'close' } })]))
    await closed
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
  })

  it('are told to come back over a window that grows with their number', async () => {
    const port = await open({ max_in_progress: 0, max_new_connections_per_second: 2 })
    for (let n = 0; n < 2; n += 1) await alone(port, '/config')
    clock.dice = 0.999
    const told: number[] = []
    for (let n = 0; n < 10; n += 1) told.push(Number((await alone(port, '/config')).headers.get('Retry-After')))
    expect(told[0]).toBe(1)
    // Nine before it at two a second.
    expect(told.at(-1)).toBe(6)
    expect(told).toEqual([...told].sort((a, b) => a - b))
    clock.dice = 0
    expect((await alone(port, '/config')).headers.get('Retry-After')).toBe('1')
    // What was owed has had its turn by then.
    clock.at += 60_000
    for (let n = 0; n < 2; n += 1) expect((await alone(port, '/config')).status).toBe(200)
    clock.dice = 0.999
    expect((await alone(port, '/config')).headers.get('Retry-After')).toBe('1')
    expect(warnings).toHaveLength(2)
  })
})

describe('open connections', () => {
  it('leave room for files under the limit of descriptors; one more is closed, and said', async () => {
    const port = await open({ max_in_progress: 0, max_new_connections_per_second: 0 })
    const { server } = listening ?? {}
    // As many as ulimit -n allows would take long to open: what the limit gave is seen, and a small one tried.
    expect(server?.maxConnections).toBe((descriptorLimit() ?? Number.NaN) - 128)
    if (server) server.maxConnections = 1
    const first = connect(port, '127.0.0.1')
    await once(first, 'connect')
    expect(await rawRequest(port, requestBytes('GET', '/config'))).toBeUndefined()
    expect(warnings).toEqual(['overloaded: requests are sent away'])
    first.destroy()
    await expect.poll(async () => (await rawRequest(port, requestBytes('GET', '/config')))?.status).toBe(200)
  })
})
