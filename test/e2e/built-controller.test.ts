import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ConfigSchema } from '#lib/contract/config.ts'
import { StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import { dataOf, errorOf, requestInit, TEST_KEY, type TestRequest } from '#test/_support/controller.ts'
import { TempFolder } from '#test/_support/temp.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const PortSchema = z.object({ part: z.literal('http'), port: z.number() })

/** The port that a line of the log tells of. */
function portOf(line: string): number | undefined {
  return PortSchema.safeParse(JSON.parse(line)).data?.port
}

test('what is built checks by a schema and makes backups in its threads, and ends at a SIGTERM all the same', { timeout: 60_000 }, async () => {
  using folder = new TempFolder()
  // As an image has it: the bundle, the packages that are not in it, and no sources.
  for (const name of ['cli', 'lib', 'services', 'scripts', 'migrations', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), folder.file(name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), folder.file('node_modules'))
  execFileSync(process.execPath, ['scripts/build.ts'], { cwd: folder.path })
  for (const name of ['cli', 'lib', 'services', 'scripts', 'tsconfig.json']) rmSync(folder.file(name), { recursive: true })

  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, DATA_DIR: folder.file('data'), API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1', CONTROLLER_PORT: '0', LOG_FORMAT: 'json' }
  const child = spawn(process.execPath, ['dist/controller.js'], { cwd: folder.path, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  try {
    let port: number | undefined
    for await (const line of createInterface({ input: child.stdout })) {
      port = portOf(line)
      if (port !== undefined) break
    }
    const call = (path: string, request?: TestRequest) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(request))
    const schema = { properties: { x: { type: 'string', pattern: '^(a+)+$' } } }
    await dataOf(await call('/config/schema', { method: 'PUT', body: schema }), 200, StoredSchemaSchema)
    await dataOf(await call('/config', { body: { data: { x: 'aaa' } } }), 201, ConfigSchema)
    await errorOf(await call('/config', { body: { data: { x: 1 } } }), 400, 'SCHEMA_VIOLATION')
    const { message } = await errorOf(await call('/config', { body: { data: { x: `${'a'.repeat(40)}!` } } }), 400, 'SCHEMA_VIOLATION')
    expect(message).toContain('took longer than 2 s')

    const backup = await call('/backup')
    expect(backup.status).toBe(200)
    writeFileSync(folder.file('copy.db'), new Uint8Array(await backup.arrayBuffer()))
    const copy = new Database(folder.file('copy.db'), { readonly: true })
    expect(copy.prepare('SELECT count(*) FROM config_versions').pluck().get()).toBe(1)
    copy.close()

    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
    await ended
  }
})
