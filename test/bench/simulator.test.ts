import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { controllerProcess, TestProcess } from '#test/_support/process.ts'
import { StubServer } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { Fleet } from '../../bench/fleet/fleet.ts'
import { readOptions, type SimulatorOptions } from '../../bench/fleet/options.ts'
import { simulate } from '../../bench/fleet/simulate.ts'
import { monotonicMs } from '../../bench/support/monotonic.ts'
import { keptPort } from '../../bench/support/port.ts'

/** A machine that has something else to do must not fail these: what is late is a matter of the bench. */
const PATIENT = ['--within', '60000']
const options = (...args: string[]): SimulatorOptions => readOptions([...PATIENT, ...args])

/** Runs a fleet against a server; gives what came out, and what was said. */
async function run(port: number, ...args: string[]) {
  const said: string[] = []
  const outcome = await simulate(options('--controller', `http://127.0.0.1:${port}`, ...args), undefined, (line) => void said.push(line))
  return { outcome, said }
}

const event = (version: number, data = '{}') => `id: ${version}\nevent: config\ndata: {"id":"x","version":${version},"data":${data}}\n\n`

// These mostly wait for processes and for each other's turn: side by side they take as long as the longest.
describe.concurrent('a fleet of two hundred on a real controller', { timeout: 60_000 }, () => {
  it.each(['stream', 'wait', 'poll'])('by %s gets each publish, keeps its guarantees, and reports', async (via) => {
    using folder = new TempFolder()
    await using controller = controllerProcess({ DATA_DIR: folder.path })
    const port = await controller.listening()
    const { outcome, said } = await run(
      port,
      '--agents',
      '200',
      '--processes',
      '2',
      '--via',
      via,
      '--publishes',
      '2',
      '--interval',
      '1',
      '--report',
      '--bytes',
      '3000',
    )
    expect(outcome).toMatchObject({ failures: [], findings: { broken: 0, faults: [] }, overall: { missing: 0, spread: { count: 400 } }, reports_taken: 400 })
    expect(outcome.publishes.map(({ version, spread }) => [version, spread?.count])).toEqual([
      [1, 200],
      [2, 200],
    ])
    expect(outcome.findings.counts).toMatchObject({ 201: 200 })
    // One that polls may have asked twice before there was a config.
    expect(outcome.findings.counts[404]).toBeGreaterThanOrEqual(200)
    expect(said[0]).toMatch(new RegExp(`^200 agents follow by ${via}, after`))
  })

  it('follows again when the controller was killed, those that never read beside it', async () => {
    using folder = new TempFolder()
    const port = await keptPort()
    const start = async () => {
      const controller = controllerProcess({ DATA_DIR: folder.path, CONTROLLER_PORT: String(port) })
      await controller.listening()
      return controller
    }
    await using stack = new AsyncDisposableStack()
    let controller = stack.use(await start())
    const url = `http://127.0.0.1:${port}`
    const restart = async () => {
      controller.signal('SIGKILL')
      await controller.ended
      controller = stack.use(await start())
    }
    const outcome = await simulate(
      options('--agents', '200', '--publishes', '2', '--restart', '--never-read', '10'),
      { controllerUrl: url, leafUrls: [url], restart },
      () => {},
    )
    expect(outcome).toMatchObject({ failures: [], restart: { missing: 0, following_again_in_ms: { count: 180 } }, overall: { spread: { count: 360 } } })
    expect(outcome.restart?.following_again_in_ms?.p50).toBeGreaterThan(0)
    // Every one of them was cut off, and knew it.
    expect(outcome.findings.counts).toMatchObject({ 201: 380 })
  })
})

describe.concurrent('a simulated agent', { timeout: 60_000 }, () => {
  it('asks as an agent does, and comes back when it was told to', async () => {
    const times: number[] = []
    let streams = 0
    await using server = await StubServer.open(({ method, path }, response) => {
      const answer = (status: number, data: object, headers: Readonly<Record<string, string>> = {}) => {
        const body = JSON.stringify({ data })
        response.writeHead(status, { 'Content-Length': body.length, ...headers }).end(body)
      }
      if (path === '/register') {
        times.push(performance.now())
        if (times.length === 1) answer(503, {}, { 'Retry-After': '2' })
        else answer(201, { agent_id: 'one' })
      } else if (path === '/config/stream') {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' })
        // The first is over at once; the second lasts, and is given what is published.
        if (++streams === 1) response.end('retry: 1500\n\n')
        else response.write(event(2))
      } else if (method === 'POST') answer(201, { id: 'x', version: 2, data: {} })
      else answer(200, { id: 'x', version: 1, data: {} })
    })
    const { outcome } = await run(server.port, '--agents', '1', '--publishes', '1')
    expect(outcome.findings.counts).toMatchObject({ 503: 1, 'answered 503': 1, 'stream opened': 2, 'the stream ended': 1 })
    const [refused = 0, taken = 0, again = 0] = times
    expect(taken - refused).toBeGreaterThanOrEqual(2000)
    expect(again - taken).toBeGreaterThanOrEqual(1450)

    const asked = (path: string) => server.seen.filter((request) => request.path === path)
    const [first, second] = asked('/register').map(({ body }) => z.object({ instance_id: z.uuid(), hostname: z.string() }).parse(JSON.parse(body)))
    expect(first).toEqual(second)
    const identity = { 'x-agent-id': 'one', 'x-api-key': 'default-api-key' }
    expect(asked('/config')[0]?.headers).toMatchObject(identity)
    expect(asked('/config')[0]?.headers).not.toHaveProperty('if-none-match')
    expect(asked('/config').find(({ method, headers }) => method === 'GET' && headers['if-none-match'] !== undefined)?.headers).toMatchObject({
      ...identity,
      'if-none-match': '"1"',
      'x-config-id': 'x',
    })
    expect(asked('/config/stream').map(({ headers }) => headers)).toMatchObject([
      { ...identity, 'last-event-id': '1', 'x-config-id': 'x' },
      { ...identity, 'last-event-id': '1', 'x-config-id': 'x' },
    ])
  })
})

it('following again counts from the moment that was named: who never stopped is missing', async () => {
  await using server = await badServer(() => {})
  const url = `http://127.0.0.1:${server.port}`
  await using fleet = new Fleet({ urls: [url], controllerUrl: url, apiKey: 'k', agents: 3, via: 'stream', processes: 1 })
  const before = monotonicMs()
  await fleet.open()
  expect(await fleet.followed(before, 5000)).toMatchObject({ missing: 0, after_ms: { length: 3 } })
  expect(await fleet.followed(monotonicMs(), 100)).toEqual({ missing: 3, after_ms: [] })
})

/** A server that is no controller of ours: it registers everybody, and makes the worst of its streams. */
async function badServer(sendOff: (streams: readonly ServerResponse[], version: number) => void) {
  const streams: ServerResponse[] = []
  let version = 0
  return StubServer.open(({ method, path }, response) => {
    const answer = (status: number, data: object) =>
      void response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': JSON.stringify({ data }).length }).end(JSON.stringify({ data }))
    if (path === '/register') answer(201, { agent_id: 'somebody' })
    else if (path === '/config/stream') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      streams.push(response)
      // Who comes back is served well.
      if (version > 0) response.write(event(version))
    } else if (method === 'POST') {
      answer(201, { id: 'x', version: ++version, data: {} })
      sendOff(streams, version)
    } else answer(404, {})
  })
}

describe('a server that breaks its word is found out', () => {
  it('one that goes back, by the agents it did it to', async () => {
    await using server = await badServer((streams, version) => {
      for (const [index, stream] of streams.entries()) stream.write(index === 3 && version === 2 ? event(2) + event(1) : event(version))
    })
    const { outcome } = await run(server.port, '--agents', '10', '--publishes', '2')
    expect(outcome.failures).toEqual(['1 agents broke a guarantee'])
    expect(outcome.findings.named).toEqual([{ agent: expect.stringMatching(/^sim-\d \(somebody\)$/), problems: ['took version 1 after version 2'] }])
  })

  it('one that leaves a version out', async () => {
    await using server = await badServer((streams, version) => {
      for (const [index, stream] of streams.entries()) stream.write(event(index === 0 ? version + 1 : version))
    })
    const { outcome } = await run(server.port, '--agents', '5', '--publishes', '1')
    expect(outcome.findings.named).toMatchObject([{ problems: [expect.stringMatching(/never saw version 1/)] }])
  })

  it('one that sends other bytes to one of them', async () => {
    await using server = await badServer((streams, version) => {
      for (const [index, stream] of streams.entries()) stream.write(event(version, index === 1 ? '{"n":2}' : '{}'))
    })
    const { outcome } = await run(server.port, '--agents', '3', '--publishes', '1')
    expect(outcome.failures.join()).toMatch(/fault: version 1 came with other bytes/)
  })

  it('one that sends other bytes to all of them', async () => {
    await using server = await badServer((streams, version) => {
      for (const stream of streams) stream.write(event(version, '{"n":2}'))
    })
    const { outcome } = await run(server.port, '--agents', '3', '--publishes', '1')
    expect(outcome.failures).toEqual(['version 1 came with other bytes than were published'])
  })
})

describe('npm run fleet', () => {
  it('exits 64 with what is wrong, and how it is called', async () => {
    await using simulator = new TestProcess('bench/fleet/main.ts', { args: ['--via', 'push'] })
    expect((await simulator.ended).code).toBe(64)
    expect(simulator.stderr).toMatch(/^Cannot take --via "push": it must be stream, wait or poll\n\nnpm run fleet/)
  })

  it('exits 1 and names the agents where a guarantee was broken, with all figures in the file', async () => {
    using folder = new TempFolder()
    await using server = await badServer((streams) => {
      for (const stream of streams) stream.write(event(2) + event(1))
    })
    const json = folder.file('out.json')
    await using simulator = new TestProcess('bench/fleet/main.ts', {
      args: ['--controller', `http://127.0.0.1:${server.port}`, '--agents', '2', '--publishes', '1', '--json', json],
    })
    expect((await simulator.ended).code).toBe(1)
    const out = simulator.lines.map(({ msg }) => msg).join('\n')
    expect(out).toMatch(/sim-0 \(somebody\): took version 1 after version 2/)
    expect(out).toMatch(/FAILED: 2 agents broke a guarantee/)
    const figures: unknown = JSON.parse(readFileSync(json, 'utf8'))
    expect(figures).toMatchObject({
      machine: { node: process.versions.node },
      options: { agents: 2 },
      findings: { broken: 2 },
      overall: { spread: { count: 2 } },
    })
    expect(JSON.stringify(figures)).not.toContain('api-key')
  })
})
