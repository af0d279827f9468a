import type { InferResponseType } from 'hono/client'
import { expect, test } from 'vitest'
import type { ErrorCode } from '#lib/contract/errors.ts'
import type { HitResult } from '#lib/contract/hit.ts'
import type { BulkHits, BulkRetry, HitStats, HitsPage, Paused } from '#lib/contract/hits.ts'
import { createWorkerClient } from '#services/worker/client.ts'
import { TestWorker } from '#test/_support/worker.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Does not compile where its argument is not `true`. */
type Expect<T extends true> = T

type Client = ReturnType<typeof createWorkerClient>
type Hit<Status extends 200 | 202 | 429 | 503> = InferResponseType<Client['hit']['$get'], Status>
type Result<Status extends 200 | 404> = InferResponseType<Client['hit'][':taskId']['$get'], Status>

/** What tsc holds: bodies differ by status. */
type ClientTypes = [
  Expect<Equal<Hit<202>['data']['status'], 'queued'>>,
  Expect<Equal<Hit<200>['data']['status'], HitResult['status']>>,
  Expect<Equal<Hit<503>['error']['code'], ErrorCode>>,
  Expect<Equal<Result<200>['data']['task_id'], string>>,
  Expect<Equal<Result<404>['success'], false>>,
  Expect<Equal<Hit<429>['error']['code'], ErrorCode>>,
  Expect<Equal<InferResponseType<Client['hits']['$get'], 200>['data'], HitsPage>>,
  Expect<Equal<InferResponseType<Client['hits']['stats']['$get'], 200>['data'], HitStats>>,
  Expect<Equal<InferResponseType<Client['hits']['$post'], 202>['data'], BulkHits>>,
  Expect<Equal<InferResponseType<Client['hits']['retry']['$post'], 200>['data'], BulkRetry>>,
  Expect<Equal<InferResponseType<Client['hits']['pause']['$post'], 200>['data'], Paused>>,
  Expect<Equal<InferResponseType<Client['hit'][':taskId']['retry']['$post'], 409>['success'], false>>,
]

test('the RPC client knows each body by its status', async () => {
  const held: ClientTypes = [true, true, true, true, true, true, true, true, true, true, true, true]
  expect(held).not.toContain(false)
  await using worker = await TestWorker.open({ process: false })
  const local: typeof fetch = async (input, init) => worker.app.request(input instanceof Request ? input : String(input), init)
  const client = createWorkerClient('http://localhost', { fetch: local })
  await worker.configure('http://localhost:1/')
  const accepted = await client.hit.$post({ query: {}, header: {} })
  expect(accepted.status).toBe(202)
  if (accepted.status !== 202) return
  const { data } = await accepted.json()
  const found = await client.hit[':taskId'].$get({ param: { taskId: data.task_id }, query: {} })
  expect(await found.json()).toMatchObject({ success: true, data: { task_id: data.task_id, status: 'queued' } })
  const none = await client.hit[':taskId'].$get({ param: { taskId: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10' }, query: {} })
  expect(await none.json()).toMatchObject({ success: false, error: { code: 'NOT_FOUND' } })
  const failed = await client.hits.$get({ query: { state: 'failed', limit: '10' } })
  expect(await failed.json()).toMatchObject({ success: true, data: { hits: [] } })
  const many = await client.hits.$post({ json: { count: 2 } })
  expect(await many.json()).toMatchObject({ success: true, data: { status: 'queued' } })
  const again = await client.hit[':taskId'].retry.$post({ param: { taskId: data.task_id } })
  expect(await again.json()).toMatchObject({ success: false, error: { code: 'HIT_UNFINISHED' } })
})
