import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { ConfigStreams } from '#lib/distribution/streams.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { errorOf, TEST_KEY, TestController } from '#test/_support/controller.ts'
import { readEvents, type SeenEvent } from '#test/_support/events.ts'

const soon = { interval: 5, timeout: 8000 }
/** The next event that is one of a config. */
async function nextConfig(events: AsyncGenerator<SeenEvent>) {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error('the stream ended')
    if (value.event === 'config') return { id: value.id, config: ConfigSchema.parse(JSON.parse(value.data ?? '')) }
  }
}
const streaming = (controller: TestController, count: number) => expect.poll(() => controller.deps.streams.open, soon).toBe(count)

/** A controller whose streams have limits of the test's own. */
async function withLimits(limits: ConstructorParameters<typeof ConfigStreams>[0]['limits'], warnings: string[] = []) {
  const feed = new ConfigFeed(undefined)
  const logger = { ...silentLogger, warn: (_part: string, message: string) => void warnings.push(message) }
  return TestController.open({
    overrides: { feed, streams: new ConfigStreams({ feed, presence: { seen: () => {}, attach: () => () => {} }, logger, limits: limits ?? {} }) },
  })
}

describe.each(['over a socket', 'without Node (a web stream)'])('GET /config/stream %s', (way) => {
  const open = async (controller: TestController, headers: Readonly<Record<string, string>> = {}) => {
    if (way !== 'over a socket') return controller.request('/config/stream', { headers })
    return (await controller.listen()).fetch('/config/stream', { headers })
  }

  it('brings the latest config, and then each that is published, in order', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 'before' })
    const answer = await open(controller)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('Content-Type')).toBe('text/event-stream')
    expect(answer.headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/)
    const events = readEvents(answer)
    expect(await nextConfig(events)).toMatchObject({ id: '1', config: { version: 1, data: { n: 'before' } } })
    for (const n of ['ü', '\u2028', 'a\nb']) await controller.publish({ n })
    for (const [i, n] of ['ü', '\u2028', 'a\nb'].entries())
      expect(await nextConfig(events)).toMatchObject({ id: String(i + 2), config: { version: i + 2, data: { n } } })
    await events.return(undefined)
    await streaming(controller, 0)
    expect(controller.deps.feed.hub.watchers).toBe(0)
  })

  it.each([
    ['Last-Event-ID', { 'Last-Event-ID': '1' }],
    ['If-None-Match', { 'If-None-Match': '"1"' }],
  ])('does not send again what is held by %s', async (_name, headers) => {
    await using controller = await TestController.open()
    await controller.publish({ n: 1 })
    const events = readEvents(await open(controller, headers))
    await streaming(controller, 1)
    await controller.publish({ n: 2 })
    expect(await nextConfig(events)).toMatchObject({ id: '2' })
    await events.return(undefined)
  })

  it('sends the latest to one that holds another config of that version', async () => {
    await using controller = await TestController.open()
    await controller.publish({ n: 1 })
    const events = readEvents(await open(controller, { 'Last-Event-ID': '1', 'X-Config-Id': 'from-another-life' }))
    expect(await nextConfig(events)).toMatchObject({ id: '1' })
    await events.return(undefined)
  })

  it('ends when the controller stops', async () => {
    await using controller = await TestController.open()
    const events = readEvents(await open(controller))
    await streaming(controller, 1)
    controller.deps.feed.hub.close()
    const rest: SeenEvent[] = []
    for await (const event of events) rest.push(event)
    expect(rest).toEqual([{ retry: '1000' }, { retry: expect.stringMatching(/^\d+$/) }])
    await streaming(controller, 0)
    await errorOf(await controller.request('/config/stream'), 503, 'NOT_READY')
  })
})

describe('a stream', () => {
  it('beats, so that a path that went silent is noticed', async () => {
    await using controller = await withLimits({ heartbeat_ms: 60 })
    const server = await controller.listen()
    const agent = await controller.makeKey({ name: 'web-01', role: 'agent' })
    // Whoever may be a relay is told with it that the end of each key is told here.
    for (const [key, comment] of [
      [agent.key, ''],
      [TEST_KEY, ' keys 0'],
    ] as const) {
      const events = readEvents(await server.fetch('/config/stream', { key }))
      const seen = [await events.next(), await events.next(), await events.next()].map(({ value }) => value)
      expect(seen).toEqual([{ retry: '1000' }, { comment }, { comment }])
      await events.return(undefined)
    }
  })

  it('whose reader does not read is cut off by name; the others get every version', async () => {
    const warnings: string[] = []
    await using controller = await withLimits({ max_buffered_bytes: 64 * 1024, heartbeat_ms: 600_000 }, warnings)
    const server = await controller.listen()
    const lazy = connect(server.port, '127.0.0.1')
    lazy.write(`GET /config/stream HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${TEST_KEY}\r\n\r\n`)
    lazy.pause()
    lazy.on('error', () => {})
    const events = readEvents(await server.fetch('/config/stream'))
    await streaming(controller, 2)
    // More than the kernel's buffers of both ends hold.
    let version = 0
    while (controller.deps.streams.open === 2 && version < 200) {
      await controller.publish({ big: 'x'.repeat(500_000) })
      version++
      expect((await nextConfig(events)).config.version).toBe(version)
    }
    expect(controller.deps.streams.open).toBe(1)
    expect(warnings).toEqual([expect.stringMatching(/^watcher_too_slow/)])
    await controller.publish({ n: 'after' })
    expect((await nextConfig(events)).config.data).toEqual({ n: 'after' })
    await events.return(undefined)
    lazy.destroy()
  })

  it('that takes nothing between two heartbeats is cut off too', async () => {
    const warnings: string[] = []
    await using controller = await withLimits({ max_buffered_bytes: 1e9, heartbeat_ms: 300 }, warnings)
    const { port } = await controller.listen()
    const lazy = connect(port, '127.0.0.1')
    lazy.write(`GET /config/stream HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${TEST_KEY}\r\n\r\n`)
    lazy.pause()
    lazy.on('error', () => {})
    await streaming(controller, 1)
    for (let i = 0; i < 20; i++) await controller.publish({ big: 'x'.repeat(900_000) })
    await streaming(controller, 0)
    expect(warnings).toHaveLength(1)
    lazy.destroy()
  })

  it('leaves nothing behind when its reader goes', async () => {
    await using controller = await TestController.open()
    const server = await controller.listen()
    const leaving = new AbortController()
    const answers = await Promise.all(Array.from({ length: 20 }, () => server.fetch('/config/stream', { signal: leaving.signal })))
    await streaming(controller, 20)
    leaving.abort()
    await streaming(controller, 0)
    expect(controller.deps.feed.hub.watchers).toBe(0)
    await Promise.allSettled(answers.map((answer) => answer.body?.cancel()))
  })
})
