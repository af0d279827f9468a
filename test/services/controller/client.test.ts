import type { InferResponseType } from 'hono/client'
import { describe, expect, it } from 'vitest'
import type { Config } from '#lib/contract/config.ts'
import type { ErrorCode } from '#lib/contract/errors.ts'
import { createControllerClient } from '#services/controller/client.ts'
import { TEST_KEY, TestController } from '#test/_support/controller.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Does not compile where its argument is not `true`: that is how `tsc` runs the tests of types here. */
type Expect<T extends true> = T

type Client = ReturnType<typeof createControllerClient>
type Read<Status extends 200 | 404> = InferResponseType<Client['config']['$get'], Status>
type Publish<Status extends 201 | 412> = InferResponseType<Client['config']['$post'], Status>

/** What tsc holds: bodies differ by status, and neither is `any`, `unknown` or `never`. */
type ClientTypes = [
  Expect<Equal<Read<200>['success'], true>>,
  Expect<Equal<Read<200>['data']['version'], number>>,
  Expect<Equal<Read<200>['data']['id'], string>>,
  Expect<Equal<Read<404>['success'], false>>,
  Expect<Equal<Read<404>['error']['code'], ErrorCode>>,
  Expect<Equal<'data' extends keyof Read<404> ? true : false, false>>,
  Expect<Equal<'error' extends keyof Read<200> ? true : false, false>>,
  Expect<Equal<Publish<201>['data']['version'], number>>,
  Expect<Equal<Publish<412>['error']['code'], ErrorCode>>,
  Expect<Equal<keyof Read<200>['data'], keyof Config>>,
]

describe('the RPC client', () => {
  it('has types that tsc holds', () => {
    const held: ClientTypes = [true, true, true, true, true, true, true, true, true, true]
    expect(held).not.toContain(false)
  })

  it('infers the body of a 200 and of a 404', async () => {
    await using controller = await TestController.open()
    const local: typeof fetch = async (input, init) => controller.app.request(input instanceof Request ? input : String(input), init)
    const client = createControllerClient('http://localhost', { apiKey: TEST_KEY, fetch: local })
    const none = await client.config.$get({ query: {}, header: {} })
    expect(none.status).toBe(404)
    if (none.status === 404) {
      const { error } = await none.json()
      expect(error.code satisfies ErrorCode).toBe('NOT_FOUND')
    }
    await client.config.$post({ query: {}, json: { data: { url: 'http://a/' } }, header: {} })
    const some = await client.config.$get({ query: {}, header: {} })
    expect(some.status).toBe(200)
    if (some.status === 200) {
      const { data } = await some.json()
      expect(data.version satisfies number).toBe(1)
    }
    const one = await client.config[':version'].$get({ param: { version: '1' } })
    expect(one.status).toBe(200)
  })
})
