import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { ConfigSchema } from '#lib/contract/config.ts'
import { allEntries, breakOf } from '#test/_support/audit.ts'
import { dataOf, requestInit, TEST_KEY, type TestRequest } from '#test/_support/controller.ts'
import { Dice, rounds } from '#test/_support/dice.ts'
import { controllerProcess, type TestProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

const ROUNDS = rounds(12)
const call = (port: number, path: string, request?: TestRequest) => fetch(`http://127.0.0.1:${port}${path}`, requestInit(request))

/** Publishes that were acknowledged: by their Idempotency-Key, what was sent and which version it became. */
type Acknowledged = Map<string, { readonly body: object; readonly version: number }>

/** What an operator does, again and again until the process is gone: publishes, rolls back, changes the schema. */
class Operator {
  readonly #dice: Dice
  readonly #acknowledged: Acknowledged
  readonly #name: string
  /** How many of its changes are of the schema, of 1. */
  readonly #schemas: number
  #sent = 0

  constructor(name: string, dice: Dice, acknowledged: Acknowledged, schemas: number) {
    this.#name = name
    this.#dice = dice
    this.#acknowledged = acknowledged
    this.#schemas = schemas
  }

  async change(port: number): Promise<void> {
    const chance = this.#dice.next()
    if (chance < this.#schemas)
      return this.#done(await call(port, '/config/schema?force=true', { method: 'PUT', body: { title: this.#dice.text(20) } }), [200, 503])
    if (chance > 0.95) return this.#done(await call(port, '/config/schema', { method: 'DELETE' }), [200, 404, 503])
    if (chance > 0.8) return this.#done(await call(port, '/config/rollback', { body: { version: 1, comment: this.#dice.text(20) } }), [201, 404])
    const key = `${this.#name}-${this.#sent++}`
    const body = { data: { key, text: this.#dice.text(50) } }
    const { version } = await dataOf(await call(port, '/config', { body, headers: { 'Idempotency-Key': key } }), 201, ConfigSchema)
    this.#acknowledged.set(key, { body, version })
  }

  async #done(answer: Response, statuses: readonly number[]): Promise<void> {
    expect(statuses, await answer.text()).toContain(answer.status)
  }
}

/** Operators at once, and the kill with one of their answers: others are then before, in or behind their commit. */
async function killAmong(operators: readonly Operator[], controller: TestProcess, port: number, answersLeft: number): Promise<void> {
  let isKilled = answersLeft === 0
  if (isKilled) controller.signal('SIGKILL')
  const work = async (operator: Operator) => {
    for (;;) {
      try {
        await operator.change(port)
      } catch (error) {
        // What got no answer may be there or not; an answer that is none of those expected is a failure.
        if (isKilled) return
        throw error
      }
      if (--answersLeft <= 0 && !isKilled) {
        isKilled = true
        controller.signal('SIGKILL')
      }
    }
  }
  await Promise.all(operators.map(work))
}

/** What the file holds of each change, in both of its places. */
function checkFile(path: string): void {
  const db = new Database(path, { readonly: true })
  const numbers = (sql: string) => db.prepare<[], number>(sql).pluck().all()
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  const versions = numbers('SELECT version FROM config_versions ORDER BY version')
  expect(versions).toEqual(Array.from({ length: versions.length }, (_, i) => i + 1))
  // Each version has its one entry, each entry its version, and so it is with the schema and with the keys of publishes.
  expect(numbers("SELECT version_after FROM audit_entries WHERE action IN ('publish', 'rollback') ORDER BY seq")).toEqual(versions)
  expect(numbers('SELECT coalesce(max(revision), 0) FROM config_schemas')).toEqual(
    numbers("SELECT count(*) FROM audit_entries WHERE action IN ('schema_set', 'schema_deleted')"),
  )
  const keyed = numbers("SELECT version FROM config_versions WHERE data ->> 'key' IS NOT NULL AND rollback_of IS NULL ORDER BY version")
  expect(numbers('SELECT version FROM publish_keys ORDER BY version')).toEqual(keyed)
  db.close()
}

test('a controller killed again and again: each change is there with its entry in the audit and its key, or not at all', {
  timeout: 60_000 + ROUNDS * 10_000,
}, async () => {
  const dice = new Dice()
  using folder = new TempFolder()
  const acknowledged: Acknowledged = new Map()
  const start = () => controllerProcess({ DATA_DIR: folder.path, API_KEY: TEST_KEY, CONTROLLER_HOST: '127.0.0.1' })
  for (let round = 0; round < ROUNDS; round++) {
    await using controller = start()
    const port = await controller.listening()
    // A change of the schema is tried anew where a publish came in between: to get at it in the middle it needs days of its own.
    const schemas = round % 3 === 2 ? 0.95 : 0.1
    const operators = Array.from({ length: 8 }, (_, i) => new Operator(`${round}-${i}`, dice, acknowledged, schemas))
    await killAmong(operators, controller, port, dice.whole(0, 80))
    expect(await controller.ended).toEqual({ code: null, signal: 'SIGKILL' })
    checkFile(folder.file('controller.db'))
  }
  await using controller = start()
  const port = await controller.listening()
  const entries = await allEntries((path) => call(port, path))
  expect(breakOf(entries)).toBeUndefined()
  // A repeat of what was acknowledged gives that version again, and publishes nothing.
  for (const [key, { body, version }] of [...acknowledged].slice(-20)) {
    const again = await call(port, '/config', { body, headers: { 'Idempotency-Key': key } })
    expect([again.headers.get('Idempotency-Replayed'), (await dataOf(again, 201, ConfigSchema)).version]).toEqual(['true', version])
  }
  expect(await allEntries((path) => call(port, path))).toEqual(entries)
})
