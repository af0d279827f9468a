import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Collector } from '#test/_support/collector.ts'
import { TestProcess } from '#test/_support/process.ts'
import { startService } from '#test/_support/system.ts'
import { TempFolder } from '#test/_support/temp.ts'

const hook = new URL('./loaded-modules.mjs', import.meta.url).href
const MapSchema = z.object({ sources: z.array(z.string()) })

/** The sources of what a process has loaded: of a bundle's chunks what they were made from. */
function loaded(file: string): string[] {
  const urls = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return urls.flatMap((url) => {
    if (!url.includes('/dist/') || url.includes('node_modules')) return [url]
    const map = `${fileURLToPath(url)}.map`
    return existsSync(map) ? MapSchema.parse(JSON.parse(readFileSync(map, 'utf8'))).sources : [url]
  })
}

/** Which of the libraries that only some need are among them. */
const rare = (file: string) => {
  const all = loaded(file)
  const has = (name: string) => all.some((source) => source.includes(`node_modules/${name}/`))
  return {
    loaded: all.length > 100,
    opentelemetry: has('@opentelemetry/sdk-trace'),
    exporter: has('@opentelemetry/exporter-trace-otlp-http'),
    prom: has('prom-client'),
  }
}

/** All services in one process, from the bundle or from the sources, with what it loads written to a file. */
function start(how: 'bundle' | 'sources', folder: TempFolder, more: Readonly<Record<string, string>>): TestProcess {
  const env = { NODE_OPTIONS: `--import=${hook}`, LOADED_MODULES: folder.file('loaded'), DATA_DIR: folder.file('data'), ...more }
  const ports = { CONTROLLER_PORT: '0', AGENT_PORT: '0', WORKER_PORT: '0', HIT_QUEUE: 'embedded', LOG_FORMAT: 'json' }
  return how === 'sources' ? startService('all', env) : new TestProcess('scripts/run.mjs', { args: ['all'], env: { ...ports, ...env } })
}

test.each(['bundle', 'sources'] as const)(
  'without an endpoint OpenTelemetry is not loaded, nor prom-client before the first scrape: %s',
  { timeout: 60_000 },
  async (how) => {
    using folder = new TempFolder()
    await using services = start(how, folder, {})
    const { port } = await services.line('the controller', ({ msg }) => msg.includes('controller listening'))
    await services.line('following', ({ msg }) => msg.includes('following the controller'))
    const published = await fetch(`http://127.0.0.1:${port}/config`, {
      method: 'POST',
      headers: { 'X-API-Key': 'default-api-key', 'Content-Type': 'application/json', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      body: JSON.stringify({ data: {} }),
    })
    expect(published.status).toBe(201)
    await services.line('the worker', ({ msg }) => msg.includes('worker has the config'))
    expect(rare(folder.file('loaded'))).toEqual({ loaded: true, opentelemetry: false, exporter: false, prom: false })
    expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(200)
    expect(rare(folder.file('loaded'))).toEqual({ loaded: true, opentelemetry: false, exporter: false, prom: true })
  },
)

test.each(['bundle', 'sources'] as const)('with one it is: %s', { timeout: 60_000 }, async (how) => {
  using folder = new TempFolder()
  await using collector = await Collector.open()
  await using services = start(how, folder, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
  await services.listening()
  expect(rare(folder.file('loaded'))).toMatchObject({ loaded: true, opentelemetry: true, exporter: true, prom: false })
})
