import { describe, expect, it } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { dataOf, errorOf, TestController } from '#test/_support/controller.ts'

/** Resolves when that many watch: the requests have arrived and are held. */
const held = (controller: TestController, count: number) => expect.poll(() => controller.deps.feed.hub.watchers, { interval: 5, timeout: 5000 }).toBe(count)
const holding = (version: number | string, extra: Readonly<Record<string, string>> = {}) => ({ headers: { 'If-None-Match': `"${version}"`, ...extra } })

describe('GET /config?wait=', () => {
  it('answers at once where the reader holds something else', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    for (const request of [{}, holding(0), holding(1, { 'X-Config-Id': 'another' })]) {
      expect((await dataOf(await controller.request('/config?wait=60', request), 200, ConfigSchema)).version).toBe(1)
    }
    expect(controller.deps.feed.hub.watchers).toBe(0)
  })

  it('holds while nothing changes, and wakes within milliseconds of a publish', async () => {
    await using controller = await TestController.open()
    const { id } = await controller.publish()
    const server = await controller.listen()
    const waiting = [server.fetch('/config?wait=60', holding(1)), server.fetch('/config?wait=60', holding(1, { 'X-Config-Id': id }))]
    await held(controller, 2)
    const start = performance.now()
    await controller.publish({ b: 2 })
    for (const answer of await Promise.all(waiting)) {
      expect(answer.headers.get('ETag')).toBe('"2"')
      expect((await dataOf(answer, 200, ConfigSchema)).data).toEqual({ b: 2 })
    }
    expect(performance.now() - start).toBeLessThan(500)
    expect(controller.deps.feed.hub.watchers).toBe(0)
  })

  it('holds before the first publish too, and wakes at it', async () => {
    await using controller = await TestController.open()
    const waiting = controller.request('/config?wait=60')
    await held(controller, 1)
    await controller.publish()
    expect((await dataOf(await waiting, 200, ConfigSchema)).version).toBe(1)
  })

  it('brings two publishes in one tick as the newest', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const waiting = controller.request('/config?wait=60', holding(1))
    await held(controller, 1)
    await Promise.all([controller.publish({ n: 2 }), controller.publish({ n: 3 })])
    expect((await dataOf(await waiting, 200, ConfigSchema)).version).toBe(3)
  })

  it('lets a follower miss nothing that counts: it always arrives at the newest', async () => {
    await using controller = await TestController.open()
    const server = await controller.listen()
    let version = 0
    const following = (async () => {
      const seen: number[] = []
      while (version < 50) {
        const config = await dataOf(await server.fetch('/config?wait=10', holding(version)), 200, ConfigSchema)
        version = config.version
        seen.push(version)
      }
      return seen
    })()
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        for (let i = 0; i < 10; i++) await (await server.fetch('/config', { body: { data: { i } } })).text()
      }),
    )
    const seen = await following
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
    expect(seen.at(-1)).toBe(50)
  })

  it('ends with 304 and the ETag, or with 404 where there is still none', async () => {
    await using controller = await TestController.open()
    const start = performance.now()
    await errorOf(await controller.request('/config?wait=1'), 404, 'NOT_FOUND')
    expect(performance.now() - start).toBeGreaterThan(950)
    await controller.publish()
    const answer = await controller.request('/config?wait=1', holding(1))
    expect([answer.status, answer.headers.get('ETag'), await answer.text()]).toEqual([304, '"1"', ''])
    expect(controller.deps.feed.hub.watchers).toBe(0)
  })

  it.each(['0', '00'])('does not hold at wait=%s', async (wait) => {
    await using controller = await TestController.open()
    await errorOf(await controller.request(`/config?wait=${wait}`), 404, 'NOT_FOUND')
  })

  it.each(['wait=61', 'wait=-1', 'wait=1.5', 'wait=', 'wait', 'wait=1e1', 'wait=100', 'wait=%201', 'wait=x', 'wait=1&wait=2'])(
    'answers 400 to ?%s',
    async (query) => {
      await using controller = await TestController.open()
      await controller.publish()
      const error = await errorOf(await controller.request(`/config?${query}`), 400, 'INVALID_REQUEST')
      expect(error.error.details?.map(({ path }) => path)).toEqual(['query.wait'])
    },
  )

  it('leaves no watcher behind where clients go away', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const server = await controller.listen()
    const gone = new AbortController()
    const waiting = Array.from({ length: 20 }, () => server.fetch('/config?wait=60', { ...holding(1), signal: gone.signal }))
    await held(controller, 20)
    gone.abort()
    expect((await Promise.allSettled(waiting)).every(({ status }) => status === 'rejected')).toBe(true)
    await held(controller, 0)
  })

  it('answers 503 with Retry-After where the controller shuts down', async () => {
    await using controller = await TestController.open()
    await controller.publish()
    const server = await controller.listen()
    const waiting = server.fetch('/config?wait=60', holding(1))
    await held(controller, 1)
    controller.deps.feed.hub.close()
    await server.listening.close(new AbortController().signal)
    const answer = await waiting
    expect(answer.headers.get('Retry-After')).toMatch(/^[12]$/)
    await errorOf(answer, 503, 'NOT_READY')
    // One that comes too late is not held either.
    await errorOf(await controller.request('/config?wait=60', holding(1)), 503, 'NOT_READY')
  })
})
