import { describe, expect, it, vi } from 'vitest'
import { ApiError } from '#lib/http/errors.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { LiveView } from '#services/controller/console/live/live-view.ts'
import { ConsoleUser } from '#test/_support/console.ts'
import { TestController } from '#test/_support/controller.ts'

const refusal = ({ message }: ApiError) => `refused: ${message}`
const soon = { timeout: 10_000, interval: 5 }
const opened = (view: LiveView, mayLook = () => true) => {
  let ended = 0
  const reader = view
    .open(mayLook, () => {
      ended++
    })
    .pipeThrough(new TextDecoderStream())
    .getReader()
  return { reader, ended: () => ended, next: async () => (await reader.read()).value }
}

describe('a live part', () => {
  it('is rendered once for all who look, anew where it changed, and not at all where nobody looks', async () => {
    let [rendered, text] = [0, 'one\ntwo']
    const view = new LiveView({
      render: async () => {
        rendered++
        return text
      },
      refusal,
      logger: silentLogger,
    })
    const [one, other] = [opened(view), opened(view)]
    expect([await one.next(), await other.next()]).toEqual(['data: one\ndata: two\n\n', 'data: one\ndata: two\n\n'])
    expect(rendered).toBe(1)
    const waiting = Promise.all([one.next(), other.next()])
    text = 'three'
    view.hurry()
    expect(await waiting).toEqual(['data: three\n\n', 'data: three\n\n'])
    expect(rendered).toBeLessThanOrEqual(4)
    await one.reader.cancel()
    expect([one.ended(), other.ended(), view.isUnwatched]).toEqual([1, 0, false])
    await other.reader.cancel()
    expect([other.ended(), view.isUnwatched]).toEqual([1, true])
    const before = rendered
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(rendered).toBe(before)
  })

  it('is not read ahead: who reads slowly gets what is newest', async () => {
    let text = '0'
    const view = new LiveView({ render: async () => text, refusal, logger: silentLogger })
    const slow = opened(view)
    await slow.next()
    const quick = opened(view)
    await quick.next()
    for (let n = 1; n <= 5; n++) {
      const next = quick.next()
      text = String(n)
      view.hurry()
      await next
    }
    // One frame may have been on its way through the decoder.
    const seen = [await slow.next()]
    if (!seen.includes('data: 5\n\n')) seen.push(await slow.next())
    expect(seen.at(-1)).toBe('data: 5\n\n')
    expect(seen.length).toBeLessThanOrEqual(2)
    view.close()
  })

  it('says that a session is over, and ends', async () => {
    let mayLook = true
    const view = new LiveView({ render: async () => 'x', refusal, logger: silentLogger })
    const one = opened(view, () => mayLook)
    await one.next()
    mayLook = false
    expect(await one.next()).toBe('event: session-over\ndata: \n\n')
    expect((await one.reader.read()).done).toBe(true)
    expect(one.ended()).toBe(1)
  })

  it('says what is refused, and goes on when it is not any more', async () => {
    let isAway = true
    const view = new LiveView({
      render: async () => {
        if (isAway) throw new ApiError('UPSTREAM_UNAVAILABLE', 'the worker is away')
        return 'well'
      },
      refusal,
      logger: silentLogger,
    })
    const one = opened(view)
    expect(await one.next()).toBe('data: refused: the worker is away\n\n')
    isAway = false
    expect(await one.next()).toBe('data: well\n\n')
    await one.reader.cancel()
  })

  it('goes on after a look that failed, and logs a fault once', async () => {
    let fails = true
    const warned: string[] = []
    let looks = 0
    const view = new LiveView({
      render: async () => {
        looks++
        if (fails) throw new Error('the store is away')
        return 'well'
      },
      refusal,
      logger: { ...silentLogger, warn: (_part, message) => void warned.push(message) },
    })
    const one = opened(view)
    const next = one.next()
    await vi.waitFor(() => view.hurry(), soon)
    await vi.waitFor(() => expect(looks).toBeGreaterThan(2), soon)
    expect(warned.length).toBe(1)
    fails = false
    expect(await next).toBe('data: well\n\n')
    view.close()
    expect((await one.reader.read()).done).toBe(true)
  })
})

describe('the streams of a controller', () => {
  it('keep no request out: they are not work in progress', async () => {
    await using controller = await TestController.open({ env: { MAX_REQUESTS_IN_PROGRESS: '1' } })
    const user = await ConsoleUser.login(controller)
    const { fetch, port } = await controller.listen()
    const looking = await fetch('/console/live/overview', { key: null, headers: { Cookie: user.cookieAt(port), 'HX-Request': 'true' } })
    expect(looking.headers.get('Content-Type')).toBe('text/event-stream; charset=utf-8')
    const reader = looking.body?.getReader()
    await reader?.read()
    expect((await fetch('/status')).status).toBe(200)
    expect(controller.deps.admission.figures.in_progress).toBe(0)
    await reader?.cancel()
  })

  it('end when it stops, and are bounded', async () => {
    await using controller = await TestController.open()
    const user = await ConsoleUser.login(controller)
    const { fetch, port } = await controller.listen()
    const looking = await fetch('/console/live/overview', { key: null, headers: { Cookie: user.cookieAt(port), 'HX-Request': 'true' } })
    expect([looking.status, looking.headers.get('Content-Type')]).toEqual([200, 'text/event-stream; charset=utf-8'])
    const reader = looking.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toMatch(/^data: /)
    const many = await Promise.all(
      Array.from({ length: 255 }, () => controller.app.request('/console/live/overview', { headers: { Cookie: user.cookie, 'HX-Request': 'true' } })),
    )
    expect(many.every(({ status }) => status === 200)).toBe(true)
    const refused = await user.get('/live/overview', { 'HX-Request': 'true' })
    expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, '10'])
    await many[0]?.body?.cancel()
    const again = await controller.app.request('/console/live/overview', { headers: { Cookie: user.cookie } })
    expect(again.status).toBe(200)
    controller.deps.live.close()
    for (;;) {
      const { done } = (await reader?.read()) ?? { done: true }
      if (done) break
    }
  })
})
