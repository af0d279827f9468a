import { writeFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { SchemaChecker, type SchemaCheckerOptions } from '#lib/schema/checker.ts'
import type { SchemaVerdict } from '#lib/schema/verdict.ts'
import { TempFolder } from '#test/_support/temp.ts'

/** A checker that ends with the test. */
class TestChecker extends SchemaChecker implements AsyncDisposable {
  ask(schema: object, data?: unknown): Promise<SchemaVerdict> {
    return this.check(JSON.stringify(schema), data === undefined ? undefined : JSON.stringify(data))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
const open = (options?: SchemaCheckerOptions) => new TestChecker(options)
const kinds = (verdicts: readonly SchemaVerdict[]) => verdicts.map(({ kind }) => kind)

const hostile = { properties: { x: { type: 'string', pattern: '^(a+)+$' } } }
const poison = { x: `${'a'.repeat(40)}!` }

/** A thread whose code is something else. */
function withCode(folder: TempFolder, code: string): URL {
  const path = folder.file('thread.mjs')
  writeFileSync(path, code)
  return pathToFileURL(path)
}

describe('the schema checker', () => {
  it('says whether data meets a schema, and whether a schema is one', async () => {
    await using checker = open()
    const schema = { properties: { n: { type: 'number' } } }
    expect(await checker.ask(schema, { n: 1 })).toEqual({ kind: 'good' })
    expect(await checker.ask(schema, { n: 'x' })).toEqual({ kind: 'violations', violations: [{ path: 'data.n', message: 'must be number, got "x"' }] })
    expect(await checker.ask(schema)).toEqual({ kind: 'good' })
    expect(await checker.ask({ type: 'objekt' })).toMatchObject({ kind: 'invalid_schema' })
  })

  it('goes by the schema of each question, though several are on their way', async () => {
    await using checker = open()
    const [numbers, strings] = [{ properties: { n: { type: 'number' } } }, { properties: { n: { type: 'string' } } }]
    const questions = Array.from({ length: 60 }, (_, i) => checker.ask(i % 3 === 0 ? numbers : strings, { n: i % 2 === 0 ? 1 : 'x' }))
    const expected = Array.from({ length: 60 }, (_, i) => ((i % 3 === 0) === (i % 2 === 0) ? 'good' : 'violations'))
    expect(kinds(await Promise.all(questions))).toEqual(expected)
  })

  it('gives a check up that does not end, and answers the others', async () => {
    await using checker = open({ limit_ms: 300 })
    await checker.ask(hostile, {})
    const verdicts = await Promise.all([{}, poison, {}, poison, { x: 'aaa' }, poison, { x: 'b' }].map((data) => checker.ask(hostile, data)))
    expect(kinds(verdicts)).toEqual(['good', 'given_up', 'good', 'given_up', 'good', 'given_up', 'violations'])
    expect(verdicts[1]).toEqual({ kind: 'given_up', why: 'took longer than 0.3 s' })
  })

  it('does not take being held up itself for a check that does not end', async () => {
    await using checker = open({ limit_ms: 500 })
    await checker.ask({}, {})
    const asked = checker.ask({}, {})
    // It is sent, and answered while this thread looks at nothing for longer than the limit.
    await turn()
    const until = performance.now() + 800
    while (performance.now() < until);
    expect(await asked).toEqual({ kind: 'good' })
  })

  it('gives a check up that takes too much memory, and answers the others', { timeout: 60_000 }, async () => {
    await using checker = open({ limit_ms: 60_000 })
    const many = { properties: { a: { type: 'array', items: { allOf: Array.from({ length: 200 }, () => ({ type: 'string' })) } } } }
    const verdicts = await Promise.all([{}, { a: Array.from({ length: 500_000 }, () => 0) }, { a: ['x'] }].map((data) => checker.ask(many, data)))
    expect(kinds(verdicts)).toEqual(['good', 'given_up', 'good'])
  })

  it('answers with the first fifty of half a million violations', async () => {
    await using checker = open()
    const verdict = await checker.ask({ properties: { a: { items: { type: 'string' } } } }, { a: Array.from({ length: 500_000 }, () => 0) })
    expect(verdict.kind === 'violations' && verdict.violations.length).toBe(50)
  })

  it('answers where a schema refers to itself without end', async () => {
    await using checker = open()
    const endless = { allOf: [{ $ref: '#' }] }
    expect(kinds(await Promise.all([checker.ask(endless, { a: 1 }), checker.ask({}, {})]))).toEqual(['violations', 'good'])
  })

  it('keeps no more waiting than a thousand', async () => {
    await using checker = open()
    const verdicts = kinds(await Promise.all(Array.from({ length: 1010 }, () => checker.ask({}, {}))))
    expect([verdicts.filter((kind) => kind === 'good').length, verdicts.slice(-10).every((kind) => kind === 'too_many')]).toEqual([1000, true])
    expect(await checker.ask({}, {})).toEqual({ kind: 'good' })
  })

  it('keeps no more waiting than what fits into its memory; a large one alone is taken', async () => {
    await using checker = open({ max_waiting_bytes: 1000 })
    const large = { x: 'x'.repeat(2000) }
    expect(kinds(await Promise.all([large, {}, large].map((data) => checker.ask({}, data))))).toEqual(['good', 'too_many', 'too_many'])
    expect(kinds(await Promise.all([{}, { x: 'x'.repeat(600) }, { x: 'x'.repeat(600) }, {}].map((data) => checker.ask({}, data))))).toEqual([
      'good',
      'good',
      'too_many',
      'good',
    ])
  })

  it('lets nobody wait for ever behind checks that are given up', async () => {
    let now = 0
    await using checker = open({ limit_ms: 200, wait_ms: 1000, clock: { monotonic: () => now } })
    const early = [poison, {}, {}].map((data) => checker.ask(hostile, data))
    now = 1001
    const late = checker.ask(hostile, {})
    expect(kinds(await Promise.all([...early, late]))).toEqual(['given_up', 'too_many', 'too_many', 'good'])
  })

  it.each<[string, string, RegExp]>([
    ['whose code cannot be loaded', "import './nothing.mjs'", /^its thread cannot be started: Cannot find module/],
    ['that ends at once', 'process.exit(3)', /^its thread cannot be started: it ended with exit code 3$/],
    ['that never gets ready', 'setInterval(() => {}, 1000)', /^its thread cannot be started: its start took too long$/],
  ])('says so to all that wait of a thread %s, and tries again with the next', async (_name, code, why) => {
    using folder = new TempFolder()
    await using checker = open({ file: withCode(folder, code), start_ms: 500 })
    for (let round = 0; round < 2; round++) {
      const verdicts = await Promise.all([checker.ask({}, {}), checker.ask({}, {})])
      for (const verdict of verdicts) expect(verdict).toEqual({ kind: 'unavailable', why: expect.stringMatching(why) })
    }
  })

  it('answers the others where its thread fails', async () => {
    using folder = new TempFolder()
    const code = `
      import { parentPort, workerData } from 'node:worker_threads'
      import { Progress } from '${new URL('../../../lib/schema/check.ts', import.meta.url).href}'
      const progress = new Progress(workerData)
      parentPort.on('message', (questions) => {
        for (const { id, data } of questions) {
          progress.begin(id)
          if (data === '"bad"') throw new Error('a fault')
        }
        parentPort.postMessage(questions.map(({ id }) => ({ id, schemaProblems: [], violations: [] })))
      })
      parentPort.postMessage('ready')`
    await using checker = open({ file: withCode(folder, code) })
    const verdicts = await Promise.all(['good', 'bad', 'good'].map((data) => checker.ask({}, data)))
    expect(verdicts).toEqual([{ kind: 'good' }, { kind: 'unavailable', why: 'its thread failed: a fault' }, { kind: 'good' }])
  })

  it('answers what waits when it is closed, and what comes after', async () => {
    const checker = open()
    const asked = checker.ask(hostile, poison)
    await checker.close()
    expect(await Promise.all([asked, checker.ask({}, {})])).toEqual([
      { kind: 'unavailable', why: 'the service stops' },
      { kind: 'unavailable', why: 'the service stops' },
    ])
  })
})
