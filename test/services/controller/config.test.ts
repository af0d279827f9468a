import { describe, expect, it } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { loadControllerConfig } from '#services/controller/config.ts'
import { startController } from '#services/controller/start.ts'
import { TempFolder } from '#test/_support/temp.ts'

describe('loadControllerConfig', () => {
  it('listens on loopback with the default key, and on all addresses with its own', () => {
    expect(loadControllerConfig({})).toMatchObject({ port: 6001, host: '127.0.0.1', ownKey: false, apiKey: 'default-api-key', dbPath: 'data/controller.db' })
    expect(loadControllerConfig({ API_KEY: 'mine' })).toMatchObject({ host: undefined, ownKey: true })
    expect(loadControllerConfig({ CONTROLLER_HOST: '0.0.0.0' })).toMatchObject({ host: '0.0.0.0', ownKey: false })
    expect(loadControllerConfig({ API_KEY: 'default-api-key' }).ownKey).toBe(false)
  })

  it('keeps its database in DATA_DIR unless CONTROLLER_DB_PATH says where', () => {
    expect(loadControllerConfig({ DATA_DIR: '/x' }).dbPath).toBe('/x/controller.db')
    expect(loadControllerConfig({ DATA_DIR: '/x', CONTROLLER_DB_PATH: '/y.db' }).dbPath).toBe('/y.db')
  })
})

describe('startController', () => {
  it('gives its database back where it cannot listen, and when it stops', async () => {
    using folder = new TempFolder()
    const config = loadControllerConfig({ DATA_DIR: folder.path, CONTROLLER_PORT: '0' })
    const first = await startController(config, { logger: silentLogger })
    const other = { ...config, dbPath: folder.file('other.db') }
    await expect(startController({ ...other, port: first.port }, { logger: silentLogger })).rejects.toMatchObject({ exitCode: 69 })
    const second = await startController(other, { logger: silentLogger })
    await first.stop(AbortSignal.timeout(1000))
    const third = await startController(config, { logger: silentLogger })
    for (const running of [second, third]) await running.stop(AbortSignal.timeout(1000))
  })

  it('warns once where the default key is open to others', async () => {
    using folder = new TempFolder()
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: string, message: string) => void warnings.push(message) }
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      const running = await startController(loadControllerConfig({ DATA_DIR: folder.path, CONTROLLER_PORT: '0', CONTROLLER_HOST: host }), { logger })
      await running.stop(AbortSignal.timeout(1000))
    }
    expect(warnings).toEqual([expect.stringMatching(/API_KEY.*CONTROLLER_HOST/)])
  })
})
