import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { HistoryPageSchema } from '#lib/contract/history.ts'
import { dcm, withController } from '#test/_support/dcm.ts'
import { StubServer, sendJson } from '#test/_support/stub-server.ts'
import { TempFolder } from '#test/_support/temp.ts'

describe('dcm publish FILE', () => {
  it('publishes what the file holds as the data, and says which version it became', async () => {
    const { controller, run, latest } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), '\ufeff{"url":"http://a/","n":1}')
    expect(await run('publish', folder.file('c.json'))).toEqual({ exit: 0, stdout: 'published version 1\n', stderr: '' })
    expect(latest()).toEqual({ url: 'http://a/', n: 1 })
    expect(controller.deps.feed.current?.config.poll_interval_seconds).toBe(30)
  })

  it('carries comment, author and interval', async () => {
    const { controller, run, json } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), '{}')
    await run('publish', folder.file('c.json'), '--comment', 'why', '--author', 'ann', '--interval', '7')
    expect(HistoryPageSchema.parse(await json('history')).configs).toMatchObject([{ comment: 'why', author: 'ann', poll_interval_seconds: 7 }])
  })

  it.each([
    ['a whole request, which would lie one level too deep', '{"data":{"url":"http://a/"},"poll_interval_seconds":5}', /give what is in "data" alone/],
    ['no JSON', '{', /cannot use .*c\.json/],
    ['no object', '[1]', /must hold the data of a config, a JSON object/],
    ['a key given twice', '{"a":1,"a":2}', /a.*given twice/],
    ['a number that would be stored changed', '{"a":12345678901234567890}', /a.*as a string/],
  ])('refuses %s with 65 before it asks anything', async (_name, text, message) => {
    const { controller, run } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), text)
    const ran = await run('publish', folder.file('c.json'))
    expect(ran).toMatchObject({ exit: 65, stdout: '' })
    expect(ran.stderr).toMatch(message)
    expect(controller.deps.feed.current).toBeUndefined()
  })

  it('takes data that has a key named data beside others', async () => {
    const { controller, run, latest } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), '{"data":{"a":1},"url":"http://a/"}')
    expect((await run('publish', folder.file('c.json'))).exit).toBe(0)
    expect(latest()).toEqual({ data: { a: 1 }, url: 'http://a/' })
  })

  it('publishes once for a key that makes it safe to repeat', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), '{"n":1}')
    const args = ['publish', folder.file('c.json'), '--idempotency-key', 'deploy-1']
    expect([await run(...args), await run(...args)].map(({ stdout }) => stdout)).toEqual(['published version 1\n', 'published version 1\n'])
    writeFileSync(folder.file('c.json'), '{"n":2}')
    expect(await run(...args)).toMatchObject({ exit: 65, stderr: expect.stringContaining('[IDEMPOTENCY_KEY_REUSED]') })
    expect(controller.deps.feed.current?.version).toBe(1)
  })

  it('says that it may have been published where the answer was lost', async () => {
    await using server = await StubServer.open((_request, response) => void response.destroy())
    using folder = new TempFolder()
    writeFileSync(folder.file('c.json'), '{}')
    const ran = await dcm(['publish', folder.file('c.json')], { CONTROLLER_URL: server.url })
    expect(ran).toMatchObject({ exit: 69, stdout: '' })
    expect(ran.stderr).toContain('It may have been published all the same: dcm history says so')
  })
})

describe('dcm publish --set', () => {
  it('puts values into what is latest, keeps the rest, and reads them as JSON where they are some', async () => {
    const { controller, run, latest } = await withController()
    await using _ = controller
    await controller.request('/config', { body: { data: { url: 'http://a/', limits: { min: 1 } }, poll_interval_seconds: 7 } })
    const pairs = ['limits.max=5', 'name=a b', 'on=true', 'x=a=b', 'new.deep.er=null', 'list=[1,2]', 'version="1.10"']
    expect((await run('publish', ...pairs.flatMap((pair) => ['--set', pair]))).exit).toBe(0)
    expect(latest()).toEqual({
      url: 'http://a/',
      limits: { min: 1, max: 5 },
      name: 'a b',
      on: true,
      x: 'a=b',
      new: { deep: { er: null } },
      list: [1, 2],
      version: '1.10',
    })
    expect(controller.deps.feed.current?.config.poll_interval_seconds).toBe(7)
  })

  it('begins from nothing where there is no config', async () => {
    const { controller, run, latest } = await withController()
    await using _ = controller
    expect((await run('publish', '--set', 'a=1')).exit).toBe(0)
    expect(latest()).toEqual({ a: 1 })
  })

  it('loses nobody’s change where several put something in at once', async () => {
    const { controller, run, latest } = await withController()
    await using _ = controller
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const runs = await Promise.all(names.map((name) => run('publish', '--set', `${name}=1`)))
    expect(runs.map(({ exit, stderr }) => [exit, stderr])).toEqual(names.map(() => [0, '']))
    expect(latest()).toEqual(Object.fromEntries(names.map((name) => [name, 1])))
  })

  it('keeps to --if-version, and does not try again', async () => {
    const { controller, run } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    const ran = await run('publish', '--set', 'n=2', '--if-version', '7')
    expect(ran).toMatchObject({ exit: 65, stdout: '' })
    expect(ran.stderr).toMatch(/latest version is 1.*\[VERSION_CONFLICT\]/)
    expect((await run('publish', '--set', 'n=2', '--if-version', '1')).exit).toBe(0)
  })

  it.each([
    ['without a key', '=1', 64, /key=value/],
    ['without a value', 'a', 64, /key=value/],
    ['with an empty step', 'a..b=1', 64, /key=value/],
    ['that would reach a prototype', '__proto__.x=1', 64, /key=value/],
    ['through something that is no object', 'n.x=1', 65, /cannot set n\.x: n is 1 and no object/],
    ['to a number that would be stored changed', 'a=12345678901234567890', 65, /as a string|in quotes it is text/],
  ])('refuses a pair %s', async (_name, pair, exit, message) => {
    const { controller, run } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    const ran = await run('publish', '--set', pair)
    expect(ran).toMatchObject({ exit, stdout: '' })
    expect(ran.stderr).toMatch(message)
    expect(controller.deps.feed.current?.version).toBe(1)
  })
})

describe('dcm publish --dry-run', () => {
  it('shows the difference, and what the schema finds wrong with 65; nothing is published', async () => {
    const { controller, run, json } = await withController()
    await using _ = controller
    await controller.publish({ n: 1 })
    await controller.request('/config/schema', { method: 'PUT', body: { properties: { n: { type: 'number' } } } })
    expect(await run('publish', '--set', 'n=2', '--dry-run')).toEqual({ exit: 0, stdout: 'would publish version 2\n~ data.n: 1 -> 2\n', stderr: '' })
    const refused = await run('publish', '--set', 'n=x', '--dry-run')
    expect(refused).toMatchObject({ exit: 65 })
    expect(refused.stdout).toMatch(/violation data\.n: must be number/)
    expect(await json('publish', '--set', 'n=x', '--dry-run')).toMatchObject({ dry_run: true, violations: [{ path: 'data.n' }] })
    expect(controller.deps.feed.current?.version).toBe(1)
  })
})

describe('the command line of publish', () => {
  it.each([
    ['neither file nor --set', [], /takes a FILE/],
    ['both', ['c.json', '--set', 'a=1'], /and not both/],
    ['a dry run that is waited for', ['--set', 'a=1', '--dry-run', '--wait'], /give one of them/],
    ['an interval that is none', ['--set', 'a=1', '--interval', '0'], /whole number from 1 to 86400/],
    ['a version that is none', ['--set', 'a=1', '--if-version', 'x'], /whole number/],
    ['an option that is none', ['--nope'], /unknown option/],
  ])('is refused with 64: %s', async (_name, args, message) => {
    const ran = await dcm(['publish', ...args], { CONTROLLER_URL: 'http://127.0.0.1:1' })
    expect(ran).toMatchObject({ exit: 64, stdout: '' })
    expect(ran.stderr).toMatch(message)
  })
})

describe('a refusal of the controller', () => {
  it('names each part that was wrong', async () => {
    await using server = await StubServer.open((_request, response) =>
      sendJson(response, 400, {
        request_id: 'r',
        status: 400,
        success: false,
        message: 'it does not fit',
        error: {
          code: 'SCHEMA_VIOLATION',
          message: 'it does not fit',
          details: [
            { path: 'data.a', message: 'one' },
            { path: 'data.b', message: 'two' },
          ],
        },
      }),
    )
    const ran = await dcm(['get'], { CONTROLLER_URL: server.url })
    expect(ran).toEqual({ exit: 65, stdout: '', stderr: 'dcm: it does not fit [SCHEMA_VIOLATION]\n  data.a: one\n  data.b: two\n' })
  })
})
