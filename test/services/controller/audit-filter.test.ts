import { describe, expect, it } from 'vitest'
import { type AuditPage, AuditPageSchema } from '#lib/contract/audit.ts'
import { AuditChain } from '#services/controller/audit-chain.ts'
import { dataOf, errorOf, TestController } from '#test/_support/controller.ts'
import { dcm } from '#test/_support/dcm.ts'
import { tamper } from '#test/_support/tampered.ts'

const page = async (controller: TestController, query: string): Promise<AuditPage> => dataOf(await controller.request(`/audit?${query}`), 200, AuditPageSchema)
const seqs = async (controller: TestController, query: string) => (await page(controller, query)).entries.map(({ seq }) => seq)

/** Three changes: entry 2 with a key of its own. */
async function withChanges() {
  const controller = await TestController.open()
  const { key } = await controller.makeKey({ name: 'ops', role: 'publisher' })
  await controller.request('/config', { key, body: { data: { n: 1 } } })
  await controller.publish({ n: 2 })
  return controller
}

/** So many entries before those that follow, as other years left them. */
const older = (count: number): string =>
  `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
   INSERT INTO audit_entries SELECT i, '2020-01-01T00:00:00.000Z', 'publish', 'k', CASE WHEN i = 3 THEN 'rare' ELSE 'old' END, 'a', 'r', NULL, i, i, NULL, 'p', 'h' FROM n`

describe('the filter of the audit', () => {
  it('gives what was done so, by whom, and when', async () => {
    await using controller = await withChanges()
    expect(await seqs(controller, 'action=publish')).toEqual([3, 2])
    expect(await seqs(controller, 'actor=ops')).toEqual([2])
    expect(await seqs(controller, 'actor=ops&action=key_made')).toEqual([])
    const { at = '' } = (await page(controller, 'actor=ops')).entries[0] ?? {}
    expect(await seqs(controller, `since=${at}&actor=ops`)).toEqual([2])
    expect(await seqs(controller, `until=${at}&actor=ops`)).toEqual([])
    // The same moment in another zone.
    expect(await seqs(controller, `since=${encodeURIComponent(`${new Date(Date.parse(at) + 7_200_000).toISOString().slice(0, -1)}+02:00`)}&actor=ops`)).toEqual(
      [2],
    )
    expect((await page(controller, 'actor=nobody')).head.seq).toBe(3)
  })

  it('pages by the entry before, as without one', async () => {
    await using controller = await withChanges()
    const first = await page(controller, 'action=publish&limit=1')
    expect([first.entries.map(({ seq }) => seq), first.next_before]).toEqual([[3], 3])
    const last = await page(controller, 'action=publish&limit=1&before=3')
    expect([last.entries.map(({ seq }) => seq), last.next_before]).toEqual([[2], undefined])
  })

  it('400: refuses an action and times that are none', async () => {
    await using controller = await TestController.open()
    for (const query of ['action=dance', 'since=2027-01-31', 'until=soon', `actor=${'x'.repeat(201)}`])
      await errorOf(await controller.request(`/audit?${query}`), 400, 'INVALID_REQUEST')
  })

  it('looks at ten thousand entries at most, and says where to go on', async () => {
    await using controller = await TestController.open()
    tamper(controller.deps.config.dbPath, older(25_000))
    const empty = await page(controller, 'actor=rare')
    expect([empty.entries, empty.next_before]).toEqual([[], 15_001])
    const second = await page(controller, 'actor=rare&before=15001')
    expect([second.entries, second.next_before]).toEqual([[], 5001])
    const found = await page(controller, 'actor=rare&before=5001')
    expect([found.entries.map(({ seq }) => seq), found.next_before]).toEqual([[3], undefined])
  })

  it('is the same in the command, which goes on by itself', async () => {
    await using controller = await TestController.open()
    tamper(controller.deps.config.dbPath, older(25_000))
    const { port } = await controller.listen()
    const env = { CONTROLLER_URL: `http://127.0.0.1:${port}` }
    const { exit, stdout } = await dcm(
      ['audit', '--actor', 'rare', '--action', 'publish', '--since', '2019-01-01T00:00:00Z', '--until', '2021-01-01T00:00:00Z', '--json'],
      env,
    )
    expect([exit, JSON.parse(stdout)]).toMatchObject([0, { entries: [{ seq: 3, actor: 'rare' }] }])
    expect((await dcm(['audit', '--action', 'dance'], env)).exit).toBe(64)
    expect((await dcm(['audit', '--since', 'soon'], env)).exit).toBe(65)
  })
})

describe('the check of the chain', () => {
  it('is made in slices, once for all who ask, and says how far it is', async () => {
    await using controller = await TestController.open()
    for (let n = 1; n <= 1200; n++) await controller.publish({ n })
    let reads = 0
    const { store } = controller.deps
    const counting = new Proxy(store, {
      get: (target, name) => {
        if (name === 'audit') reads++
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const chain = new AuditChain({ ...controller.deps, store: counting })
    const states = await Promise.all([chain.state(0), chain.state(0), chain.state(10_000)])
    expect(states[0]).toMatchObject({ kind: 'checking', of: 1200 })
    expect(states[2]).toMatchObject({ kind: 'checked', entries: 1200, findings: [], head: { seq: 1200 } })
    // Three of the check, and one of each who asks.
    expect(reads).toBe(6)
    expect(await chain.state(0)).toEqual(states[2])
  })

  it('is made anew where a minute is over: what is there may have been altered since', async () => {
    await using controller = await withChanges()
    let now = Date.now()
    const chain = new AuditChain({ ...controller.deps, clock: { ...controller.deps.clock, now: () => now } })
    expect(await chain.state(10_000)).toMatchObject({ findings: [] })
    tamper(controller.deps.config.dbPath, `UPDATE audit_entries SET comment = 'x' WHERE seq = 1`)
    now += 61_000
    expect(await chain.state(10_000)).toMatchObject({ kind: 'checked', findings: [{ kind: 'edit', seq: 1 }] })
  })

  it('says that it could not be made, and is tried again', async () => {
    await using controller = await withChanges()
    let broken = true
    const { store } = controller.deps
    const failing = new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (name === 'history' && broken) return () => Promise.reject(new Error('the disk is gone'))
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const chain = new AuditChain({ ...controller.deps, store: failing })
    expect(await chain.state(10_000)).toEqual({ kind: 'failed', why: 'the disk is gone' })
    broken = false
    expect(await chain.state(10_000)).toMatchObject({ kind: 'checked', findings: [] })
  })
})
