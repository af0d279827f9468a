import { afterEach, describe, expect, it, vi } from 'vitest'
import { AgentSchema } from '#lib/contract/inventory.ts'
import { ConfigFeed } from '#lib/distribution/feed.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import { type Store, StoreUnavailableError } from '#lib/store/port.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { Fleet } from '#services/controller/fleet/fleet.ts'
import { someone } from '#test/_support/actor.ts'
import { admin, noDrop } from '#test/_support/callers.ts'
import { dataOf, requestInit, TEST_KEY, type TestRequest } from '#test/_support/controller.ts'
import { controllerProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { counting, item } from './fleet-calls.ts'
import { HeldClock } from './held-clock.ts'

afterEach(() => void vi.useRealTimers())

const registration = (hostname: string) => ({ hostname, ip_address: '10.0.0.7', port: 8081, labels: { zone: 'eu' } })
const applied = { version: 1, state: 'applied' } as const

/** A fleet on a file of its own, that can be closed and opened again. */
class FleetOnDisk implements AsyncDisposable {
  readonly clock = new HeldClock()
  readonly logged: string[] = []
  readonly #folder = new TempFolder()
  #opened: { readonly fleet: Fleet; readonly store: Store; readonly writes: { states: number } } | undefined

  /** @param wrap what stands between the fleet and the file */
  async open(wrap: (store: Store) => Store = (store) => store): Promise<Fleet> {
    await this.close()
    const file = openSqliteStore({ path: this.#folder.file('c.db'), migrations: migrationsFolder(), clock: this.clock })
    const { store, writes } = counting(wrap(file))
    const note = (_part: string, message: string) => void this.logged.push(message)
    const logger = { ...silentLogger, error: note, warn: note, info: note }
    const fleet = await Fleet.open({ store, feed: new ConfigFeed(undefined), clock: this.clock, logger, ownsAgents: () => false })
    this.#opened = { fleet, store: file, writes }
    return fleet
  }

  /** How many states were written since it was opened. */
  get written(): number {
    return this.#opened?.writes.states ?? 0
  }

  async close(): Promise<void> {
    await this.#opened?.fleet.close()
    await this.#opened?.store[Symbol.asyncDispose]()
    this.#opened = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
    this.#folder[Symbol.dispose]()
  }
}

describe('ten thousand agents that poll', () => {
  it('cost no write each: what they hold is written once, and when they were seen once a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await using disk = new FleetOnDisk()
    const fleet = await disk.open()
    const ids = Array.from({ length: 10_000 }, (_, i) => `agent-${i}`)
    for (let start = 0; start < ids.length; start += 1000) {
      await fleet.batch(undefined, { agents: ids.slice(start, start + 1000).map((id) => item(id, { registration: registration(id) })) }, admin)
    }
    const pollAll = () => {
      for (const [i, agentId] of ids.entries()) {
        if (i % 2 === 0) fleet.seen({ agentId, heldVersion: 7, via: 'poll', caller: admin })
        else fleet.attach({ agentId, heldVersion: 7, via: 'wait', caller: admin }, noDrop())()
      }
    }
    /** Resolves with what was written, once nothing more is under way. */
    const settled = async () => {
      let before = -1
      while (before !== disk.written) {
        before = disk.written
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
      }
      return before
    }
    pollAll()
    await vi.advanceTimersByTimeAsync(1000)
    expect(await settled()).toBe(10_000)
    for (let i = 0; i < 20; i++) {
      disk.clock.pass(1000)
      await vi.advanceTimersByTimeAsync(1000)
      pollAll()
    }
    expect(await settled()).toBe(10_000)
    await vi.advanceTimersByTimeAsync(40_000)
    expect(await settled()).toBe(20_000)
    // Nobody asks, nothing is written.
    await vi.advanceTimersByTimeAsync(600_000)
    expect(await settled()).toBe(20_000)
  })
})

describe('a report that was made before', () => {
  it('is not written again: agents repeat it at each registration', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await using disk = new FleetOnDisk()
    const fleet = await disk.open()
    await fleet.register('a', registration('a'), [], null)
    for (const [report, written] of [
      [applied, 1],
      [applied, 1],
      [{ version: 1, state: 'failed', error: 'x' }, 2],
      [{ version: 1, state: 'failed', error: 'y' }, 3],
      [{ version: 2, state: 'failed', error: 'y' }, 4],
    ] as const) {
      await fleet.report('a', report, admin)
      await vi.advanceTimersByTimeAsync(1000)
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(disk.written).toBe(written)
    }
  })
})

describe('two hosts with one id', () => {
  it('are told apart in the log: one that registers from elsewhere while a connection is held is a copy', async () => {
    await using disk = new FleetOnDisk()
    const fleet = await disk.open()
    const twins = () => disk.logged.filter((message) => message.includes('DATA_DIR was copied')).length
    await fleet.register('a', registration('one'), [], null)
    const leave = fleet.attach({ agentId: 'a', heldVersion: 1, via: 'stream', caller: admin }, noDrop())
    await fleet.register('a', { ...registration('one'), port: 9 }, [], null)
    expect(twins()).toBe(0)
    await fleet.register('a', registration('two'), [], null)
    expect(twins()).toBe(1)
    leave()
    await fleet.register('a', registration('three'), [], null)
    expect(twins()).toBe(1)
  })
})

describe('what is known of an agent that was deleted', () => {
  it('is not saved over another that has registered under its id', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await using disk = new FleetOnDisk()
    const fleet = await disk.open()
    await fleet.register('a', registration('a'), [], null)
    await fleet.report('a', applied, admin)
    await fleet.remove('a', someone)
    await fleet.register('a', registration('a'), [], null)
    await vi.advanceTimersByTimeAsync(1000)
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(disk.written).toBe(0)
    expect((await disk.open()).agent('a')).toMatchObject({ applied_version: null, state: 'registered' })
  })
})

describe('a fleet that is opened again', () => {
  it('is as it was: registrations, reports, relays and what they hold, and who was seen when', async () => {
    await using disk = new FleetOnDisk()
    const before = await disk.open()
    await before.register('direct', registration('direct'), [], null)
    await before.register('relay', registration('relay'), [], null)
    await before.register('silent', registration('silent'), [], null)
    before.seen({ agentId: 'direct', heldVersion: 1, via: 'poll', caller: admin })
    await before.report('direct', { version: 1, state: 'failed', error: 'why' }, admin)
    const held = [item('below', { connected: true, registration: registration('below'), report: applied, held_version: 1 })]
    await before.batch('relay', { sessions: { relay: 's1' }, agents: held }, admin)
    disk.clock.pass(60_000)
    before.attach({ agentId: 'relay', heldVersion: 1, via: 'stream', caller: admin }, noDrop())()
    const shown = (await before.page({})).agents
    expect(shown).toHaveLength(4)

    const after = await disk.open()
    expect((await after.page({})).agents).toEqual(shown)
    // Still connected below its relay, which need not say so again; a relay that starts anew does not.
    disk.clock.pass(60_000)
    after.seen({ agentId: 'relay', heldVersion: 1, via: 'poll', caller: admin })
    disk.clock.pass(89_000)
    expect([after.agent('below')?.online, after.agent('direct')?.online]).toEqual([true, false])
    await after.batch('relay', { sessions: { relay: 's2' }, agents: [] }, admin)
    disk.clock.pass(90_000)
    after.seen({ agentId: 'relay', heldVersion: 1, via: 'poll', caller: admin })
    expect(after.agent('below')?.online).toBe(false)
    expect(await after.report('below', applied, admin)).toBe(true)
  })

  it('does not take the dead below a relay that had started anew for alive', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await using disk = new FleetOnDisk()
    const before = await disk.open()
    await before.register('relay', registration('relay'), [], null)
    const held = ['dead', 'back'].map((id) => item(id, { connected: true, registration: registration(id) }))
    await before.batch('relay', { sessions: { relay: 's1' }, agents: held }, admin)
    await vi.advanceTimersByTimeAsync(1000)
    // The relay starts anew, and one of the two never comes back.
    disk.clock.pass(600_000)
    const end = disk.clock.wall
    await before.batch('relay', { sessions: { relay: 's2' }, agents: [item('back', { connected: true })] }, admin)
    disk.clock.pass(600_000)
    const { agents } = await before.page({})
    expect(agents.find((agent) => agent.agent_id === 'dead')).toMatchObject({ online: false, last_seen_at: new Date(end).toISOString() })

    const after = await disk.open()
    after.seen({ agentId: 'relay', heldVersion: 1, via: 'poll', caller: admin })
    expect([after.agent('dead')?.online, after.agent('back')?.online]).toEqual([false, true])
    expect(after.agent('dead')?.last_seen_at).toBe(new Date(end).toISOString())
  })

  it('lets a relay that started anew meanwhile end what was said of connections as of when that was saved', async () => {
    await using disk = new FleetOnDisk()
    const before = await disk.open()
    await before.register('relay', registration('relay'), [], null)
    await before.batch('relay', { sessions: { relay: 's1' }, agents: [item('below', { connected: true, registration: registration('below') })] }, admin)
    await disk.close()
    const saved = disk.clock.wall
    disk.clock.pass(600_000)
    const after = await disk.open()
    await after.batch('relay', { sessions: { relay: 's2' }, agents: [] }, admin)
    expect(after.agent('below')).toMatchObject({ online: false, last_seen_at: new Date(saved).toISOString() })
  })

  it('has nobody seen in the future, where the wall clock was set back meanwhile', async () => {
    await using disk = new FleetOnDisk()
    await (await disk.open()).register('a', registration('a'), [], null)
    await disk.close()
    disk.clock.wall -= 3_600_000
    const fleet = await disk.open()
    expect(fleet.agent('a')).toMatchObject({ online: true, last_seen_at: new Date(disk.clock.wall).toISOString() })
    disk.clock.pass(90_000)
    expect(fleet.agent('a')?.online).toBe(false)
  })
})

describe('a disk that refuses', () => {
  it('is logged once, tried again, and loses nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
    await using disk = new FleetOnDisk()
    let full = true
    let tries = 0
    const fleet = await disk.open((store) => ({
      ...store,
      saveAgentStates: async (states) => {
        tries++
        if (full) throw new StoreUnavailableError('the database refused: disk is full (SQLITE_FULL)')
        return store.saveAgentStates(states)
      },
    }))
    for (const id of ['a', 'b']) await fleet.register(id, registration(id), [], null)
    await fleet.report('a', applied, admin)
    await vi.advanceTimersByTimeAsync(1000)
    expect(tries).toBe(1)
    await fleet.report('b', { version: 1, state: 'failed', error: 'why' }, admin)
    await vi.advanceTimersByTimeAsync(4999)
    expect(tries).toBe(1)
    await vi.advanceTimersByTimeAsync(11_001)
    expect(tries).toBeGreaterThanOrEqual(3)
    expect(tries).toBeLessThanOrEqual(4)
    expect(disk.logged.filter((message) => message.includes('cannot be saved'))).toHaveLength(1)
    full = false
    await vi.advanceTimersByTimeAsync(5000)
    await vi.waitFor(() => expect(disk.logged.at(-1)).toMatch(/saved again/))
    const again = await disk.open()
    expect([again.agent('a')?.applied_version, again.agent('b')?.held_version]).toEqual([1, 1])
  })
})

describe('a controller that ends', () => {
  const call = (port: number, path: string, request?: TestRequest) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(request))
  const env = (folder: TempFolder) => ({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })

  it.each([
    ['SIGKILL', 'a while after'],
    ['SIGTERM', 'at once after'],
  ] as const)('by %s %s a report has it after its restart', async (signal, _when) => {
    using folder = new TempFolder()
    let id = ''
    {
      await using controller = controllerProcess(env(folder))
      const port = await controller.listening()
      const answer: unknown = await (await call(port, '/register', { body: registration('web-01') })).json()
      id = JSON.stringify(answer).match(/"agent_id":"([^"]+)"/)?.[1] ?? ''
      await (await call(port, `/agents/${id}/report`, { body: { ...applied, version: 3 } })).text()
      if (signal === 'SIGKILL') {
        // Another reader of the file sees when it is there.
        const { default: Database } = await import('better-sqlite3')
        const db = new Database(folder.file('controller.db'), { readonly: true })
        const rows = db.prepare('SELECT count(*) FROM agent_states WHERE applied_version = 3').pluck()
        await expect.poll(() => rows.get(), { timeout: 10_000, interval: 50 }).toBe(1)
        db.close()
      }
      controller.signal(signal)
      await controller.ended
    }
    await using controller = controllerProcess(env(folder))
    const port = await controller.listening()
    expect(await dataOf(await call(port, `/agents/${id}`), 200, AgentSchema)).toMatchObject({
      hostname: 'web-01',
      labels: { zone: 'eu' },
      applied_version: 3,
      held_version: 3,
      state: 'pending',
    })
  })
})
