import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { createLogger, silentLogger } from '#lib/observe/logger.ts'

/** A logger with the lines that it wrote. */
function recorded(options: { readonly level?: 'debug' | 'info' | 'warn' | 'silent'; readonly format?: 'json' | 'pretty' } = {}) {
  const lines: string[] = []
  const logger = createLogger({
    service: 'worker',
    level: options.level ?? 'info',
    format: options.format ?? 'json',
    destination: { write: (line) => void lines.push(line) },
  })
  return { logger, lines }
}

describe('createLogger', () => {
  it('writes JSON lines that begin with their part', () => {
    const { logger, lines } = recorded()
    logger.info('http', 'listening', { port: 7 })
    logger.error('queue', 'gone', { err: new Error('why') })
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { level: 30, service: 'worker', part: 'http', msg: '[http] listening', port: 7, time: expect.stringMatching(/^20.*Z$/) },
      { level: 50, part: 'queue', msg: '[queue] gone', err: { message: 'why' } },
    ])
  })

  it('lets no text break the line', () => {
    const { logger, lines } = recorded()
    logger.info('http', 'a\nb', { x: 'c\nd' })
    expect(lines).toHaveLength(1)
    expect(lines[0]?.trimEnd()).not.toContain('\n')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ part: 'http', msg: '[http] a\nb' })
  })

  it('leaves out what is below its level', () => {
    const { logger, lines } = recorded({ level: 'warn' })
    logger.debug('http', 'no')
    logger.info('http', 'no')
    logger.warn('http', 'yes')
    expect([lines.length, logger.debugEnabled, recorded({ level: 'debug' }).logger.debugEnabled]).toEqual([1, false, true])
    expect(silentLogger.debugEnabled).toBe(false)
  })

  it('writes lines for people with time, service and part', () => {
    const { logger, lines } = recorded({ format: 'pretty' })
    logger.info('http', 'listening', { port: 7 })
    expect(lines.join('')).toMatch(/\d\d:\d\d:\d\d.*worker \[http\] listening.*7/)
  })
})

/** Runs a program that logs to its own stdout. */
const program = (text: string) => [
  '--import',
  'tsx',
  '--input-type=module',
  '-e',
  `import { createLogger } from '#lib/observe/logger.ts'\nconst log = createLogger({ service: 'worker', level: 'info', format: 'json' })\n${text}`,
]
const messages = (stdout: string): string[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line): string => JSON.parse(line).msg)

describe('lines to stdout', () => {
  it('come in order, those of a turn together, and none is lost at an exit or an exception', () => {
    const lines = "for (let n = 0; n < 3; n++) log.info('http', String(n))"
    const exited = execFileSync(process.execPath, program(`${lines}\nsetImmediate(() => { log.info('http', 'last'); process.exit(0) })`), { encoding: 'utf8' })
    expect(messages(exited)).toEqual(['[http] 0', '[http] 1', '[http] 2', '[http] last'])
    const thrown = spawnSync(process.execPath, program(`${lines}\nthrow new Error('unforeseen')`), { encoding: 'utf8' })
    expect([thrown.status, messages(thrown.stdout)]).toEqual([1, ['[http] 0', '[http] 1', '[http] 2']])
  })

  it('are written before anything else happens where something is wrong', () => {
    const text = "log.info('http', 'before')\nlog.warn('http', 'wrong')\nlog.info('http', 'too late')\nprocess.kill(process.pid, 'SIGKILL')"
    const killed = spawnSync(process.execPath, program(text), { encoding: 'utf8' })
    expect([killed.signal, messages(killed.stdout)]).toEqual(['SIGKILL', ['[http] before', '[http] wrong']])
  })
})
