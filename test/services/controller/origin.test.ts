import { describe, expect, it } from 'vitest'
import { DEFAULT_API_KEY } from '#services/controller/config.ts'
import { someone } from '#test/_support/actor.ts'
import { checkError, TestController } from '#test/_support/controller.ts'
import { rawRequest, requestBytes } from '#test/_support/raw-http.ts'

/** Publishes and reads as a page would, with the default key that every page may know; gives both statuses. */
async function asPage(controller: TestController, headers: Readonly<Record<string, string>>, key = DEFAULT_API_KEY): Promise<(number | undefined)[]> {
  const { port } = await controller.listen()
  const own = { 'X-API-Key': key, ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace('PORT', String(port))])) }
  const answers = [
    await rawRequest(port, requestBytes('POST', '/config', { headers: { 'Content-Type': 'application/json', ...own }, body: '{"data":{}}' })),
    await rawRequest(port, requestBytes('GET', '/config', { headers: own })),
    await rawRequest(port, requestBytes('GET', '/config?wait=0', { headers: own })),
  ]
  for (const answer of answers) if (answer?.status === 403) checkError(answer, 'FORBIDDEN_ORIGIN')
  return answers.map((answer) => answer?.status)
}

const foreign: readonly Readonly<Record<string, string>>[] = [
  { Origin: 'https://evil.example' },
  { Origin: 'null' },
  { 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'same-site' },
  { Host: 'rebound.example:PORT' },
  { Host: 'localhost:PORT', Origin: 'http://localhost:1' },
]

describe('a controller with the default key', () => {
  it.each(foreign)('refuses %j and publishes nothing', async (headers) => {
    await using controller = await TestController.open({ env: { API_KEY: '' } })
    expect(await asPage(controller, headers)).toEqual([403, 403, 403])
    expect(controller.deps.feed.current).toBeUndefined()
    // The same where there is a config to read: the short way to it is guarded too.
    await controller.deps.store
      .publish({ data: { url: 'http://a/' }, poll_interval_seconds: 30 }, someone)
      .then(({ config }) => controller.deps.feed.announce(config))
    expect(await asPage(controller, headers)).toEqual([403, 403, 403])
  })

  it.each(['localhost:PORT', '127.0.0.1:PORT', '[::1]:PORT', 'config.internal'])('serves Host: %s', async (host) => {
    await using controller = await TestController.open({ env: { API_KEY: '', ALLOWED_HOSTS: 'config.internal' } })
    expect(await asPage(controller, { Host: host })).toEqual([201, 200, 200])
  })

  it('serves its own page', async () => {
    await using controller = await TestController.open({ env: { API_KEY: '' } })
    expect(await asPage(controller, { Host: 'localhost:PORT', Origin: 'http://localhost:PORT', 'Sec-Fetch-Site': 'same-origin' })).toEqual([201, 200, 200])
  })
})

describe('a controller with a key of its own', () => {
  it.each(foreign)('serves %j: the key is what protects it', async (headers) => {
    await using controller = await TestController.open({ env: { API_KEY: 'mine' } })
    expect(await asPage(controller, headers, 'mine')).toEqual([201, 200, 200])
  })
})
