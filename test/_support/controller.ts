import { expect } from 'vitest'
import { z } from 'zod'
import { type Config, ConfigSchema } from '#lib/contract/config.ts'
import { type ErrorEnvelope, ErrorEnvelopeSchema, envelope } from '#lib/contract/envelope.ts'
import type { ErrorCode } from '#lib/contract/errors.ts'
import { type KeyRequest, KeyRevokedSchema, type MadeKey, MadeKeySchema } from '#lib/contract/keys.ts'
import { createFastLane } from '#lib/distribution/fast-lane.ts'
import { type Listening, type RequestTimeouts, serve } from '#lib/http/serve.ts'
import type { WrongKeys } from '#lib/http/wrong-keys.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import type { Environment } from '#lib/runtime/env.ts'
import type { SchemaChecker } from '#lib/schema/checker.ts'
import { type ControllerApp, createControllerApp } from '#services/controller/app.ts'
import { loadControllerConfig } from '#services/controller/config.ts'
import { ConfigSchema as SchemaGate } from '#services/controller/config-schema.ts'
import { type ControllerDeps, openControllerDeps } from '#services/controller/deps.ts'
import { TempFolder } from './temp.ts'

/** A key of a controller's own, so that the rules for the default key stay out of tests that are not about them. */
export const TEST_KEY = 'a-key-of-its-own'

/** A request as tests write it: an object or a text is sent as JSON, bytes without a type, and the key is added unless it is null. */
export interface TestRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | object
  readonly key?: string | null
  readonly signal?: AbortSignal
}

/** The init of a fetch for a test's request. */
export function requestInit({ method, headers, body, key = TEST_KEY, signal }: TestRequest = {}): RequestInit {
  const raw = typeof body === 'string' ? body : body instanceof Uint8Array ? new Uint8Array(body) : body === undefined ? undefined : JSON.stringify(body)
  const type = body === undefined || body instanceof Uint8Array ? {} : { 'Content-Type': 'application/json' }
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(key === null ? {} : { 'X-API-Key': key }), ...type, ...headers },
    ...(raw === undefined ? {} : { body: raw }),
    ...(signal ? { signal } : {}),
  }
}

/** A controller on a real database file of its own, called in process or over a socket. */
export class TestController implements AsyncDisposable {
  readonly folder: TempFolder
  readonly deps: ControllerDeps
  readonly app: ControllerApp
  readonly #listening: Listening[] = []

  private constructor(folder: TempFolder, deps: ControllerDeps) {
    this.folder = folder
    this.deps = deps
    this.app = createControllerApp(deps)
  }

  /**
   * @param options.env variables beside the key and the folder
   * @param options.checker what checks by the config schema
   */
  static async open(
    options: { readonly env?: Environment; readonly overrides?: Partial<ControllerDeps>; readonly checker?: SchemaChecker } = {},
  ): Promise<TestController> {
    const folder = new TempFolder()
    const config = loadControllerConfig({ API_KEY: TEST_KEY, DATA_DIR: folder.path, ...options.env })
    const deps = await openControllerDeps(config, { logger: silentLogger, ...options.overrides })
    if (options.checker === undefined) return new TestController(folder, deps)
    const { store, logger } = deps
    return new TestController(folder, { ...deps, schema: await SchemaGate.open({ store, logger, checker: options.checker }) })
  }

  /** Calls the app without a socket. */
  async request(path: string, request?: TestRequest): Promise<Response> {
    return this.app.request(path, requestInit(request))
  }

  /** Publishes and gives the config; fails where it is not a 201. */
  async publish(data: Readonly<Record<string, unknown>> = {}): Promise<Config> {
    return dataOf(await this.request('/config', { body: { data } }), 201, ConfigSchema)
  }

  /** Makes a key; fails where it is not a 201. */
  async makeKey(request: KeyRequest): Promise<MadeKey> {
    return dataOf(await this.request('/keys', { body: request }), 201, MadeKeySchema)
  }

  /** Revokes a key; fails where it is not a 200. */
  async revokeKey(id: string): Promise<void> {
    await dataOf(await this.request(`/keys/${id}`, { method: 'DELETE' }), 200, KeyRevokedSchema)
  }

  /** Serves the app on a port that the kernel chose, until the test's scope ends. */
  async listen(
    timeouts?: RequestTimeouts,
  ): Promise<{ readonly port: number; readonly listening: Listening; fetch(path: string, request?: TestRequest): Promise<Response> }> {
    const listening = await serve({
      fetch: this.app.fetch,
      fastLane: createFastLane({ ...this.deps, presence: this.deps.fleet }),
      admission: this.deps.admission,
      requests: this.deps.requests,
      port: 0,
      host: '127.0.0.1',
      name: 'controller',
      ...(timeouts ? { timeouts } : {}),
    })
    this.#listening.push(listening)
    return { port: listening.port, listening, fetch: (path, request) => fetch(`http://127.0.0.1:${listening.port}${path}`, requestInit(request)) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.deps.feed.close()
    this.deps.live.close()
    for (const listening of this.#listening) await listening.close(AbortSignal.abort())
    await this.deps.fleet.close()
    await this.deps.keys.close()
    await this.deps.schema.close()
    await this.deps.store[Symbol.asyncDispose]()
    this.deps.metrics.close()
    this.folder[Symbol.dispose]()
  }
}

/** So many wrong keys from requests without a socket that others are not looked at any more. */
export function tryWrongKeys(wrongKeys: WrongKeys): void {
  for (let n = 0; n < 10; n++) wrongKeys.wrong(undefined, `wrong-${n}`)
}

/** The `data` of a success, after everything that every success has was looked at. */
export async function dataOf<T extends z.ZodType>(response: Response, status: number, schema: T): Promise<z.output<T>> {
  const text = await response.text()
  expect(response.status, text).toBe(status)
  expect(response.headers.get('Content-Type')).toMatch(/^application\/json/)
  const body = envelope(z.unknown()).parse(JSON.parse(text))
  expect(body).toMatchObject({ status, success: true, message: 'success', request_id: response.headers.get('X-Request-Id') })
  return schema.parse(body.data)
}

/** An error's envelope, after everything that every error has was looked at. */
export async function errorOf(response: Pick<Response, 'status' | 'headers' | 'text'>, status: number, code: ErrorCode): Promise<ErrorEnvelope> {
  const text = await response.text()
  expect(response.status, text).toBe(status)
  return checkError({ status: response.status, headers: response.headers, body: text }, code)
}

/** Checks an error as it came over the wire: the envelope, the status repeated, the docs link, nothing of the inside. */
export function checkError(answer: { readonly status: number; readonly headers: Headers; readonly body: string }, code?: ErrorCode): ErrorEnvelope {
  expect(answer.headers.get('Content-Type')).toMatch(/^application\/json/)
  const body = ErrorEnvelopeSchema.strict().parse(JSON.parse(answer.body))
  expect(body).not.toHaveProperty('data')
  expect(body.status).toBe(answer.status)
  expect(body.request_id).toBe(answer.headers.get('X-Request-Id'))
  expect(body.error.message).toBe(body.message)
  expect(body.error.docs).toBe(`/docs/errors#${body.error.code}`)
  expect(answer.body).not.toMatch(/\bat .{0,200}(?:\.[jt]s|node:)[\w/]*:\d+/)
  if (code) expect(body.error.code).toBe(code)
  return body
}
