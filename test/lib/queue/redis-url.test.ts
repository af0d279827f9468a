import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseRedisUrl } from '#lib/queue/redis-url.ts'
import { EXIT_CONFIG, StartError } from '#lib/runtime/env.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { TestProcess } from '../../_support/process.ts'
import { TempFolder } from '../../_support/temp.ts'
import { selfSigned } from '../../services/worker/hits/certificate.ts'

describe('a URL of Redis', () => {
  const none = { username: undefined, password: undefined }
  test.each([
    ['redis://localhost', { kind: 'single', tls: false, hosts: [{ host: 'localhost', port: 6379 }], ...none }],
    ['redis://redis:6380/', { kind: 'single', tls: false, hosts: [{ host: 'redis', port: 6380 }], ...none }],
    ['rediss://[::1]:7000', { kind: 'single', tls: true, hosts: [{ host: '::1', port: 7000 }], ...none }],
    ['redis://:p%40ss%3A%2F@h', { kind: 'single', tls: false, hosts: [{ host: 'h', port: 6379 }], username: undefined, password: 'p@ss:/' }],
    ['redis://me:a:b@h', { kind: 'single', tls: false, hosts: [{ host: 'h', port: 6379 }], username: 'me', password: 'a:b' }],
    [
      'sentinel://me:pw@one,two:1/my-master.1',
      {
        kind: 'sentinel',
        tls: false,
        hosts: [
          { host: 'one', port: 26_379 },
          { host: 'two', port: 1 },
        ],
        master: 'my-master.1',
        username: 'me',
        password: 'pw',
      },
    ],
    ['sentinels://10.0.0.1/m', { kind: 'sentinel', tls: true, hosts: [{ host: '10.0.0.1', port: 26_379 }], master: 'm', ...none }],
    ['clusters://:pw@[fe80::1]:7001', { kind: 'cluster', tls: true, hosts: [{ host: 'fe80::1', port: 7001 }], username: undefined, password: 'pw' }],
    [
      'cluster://a:7000,b:7001,c',
      {
        kind: 'cluster',
        tls: false,
        hosts: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 7001 },
          { host: 'c', port: 6379 },
        ],
        ...none,
      },
    ],
  ])('%s is read', (url, address) => expect(parseRedisUrl(url)).toEqual(address))

  test.each([
    ['http://redis', /^must be redis:\/\/host/],
    ['redis', /^must be redis:\/\/host/],
    ['redis://', /^must be redis:\/\/host/],
    ['redis://host?db=3', /^must be redis:\/\/host/],
    ['redis://one,two', /^must name one host/],
    ['redis://host:0', /^must name each host as host:port/],
    ['redis://host:65536', /^must name each host as host:port/],
    ['cluster://a:7000,,b', /^must name each host as host:port/],
    ['cluster://::1', /^must name each host as host:port/],
    ['sentinel://a,b', /^must name the master/],
    ['sentinel://a,b/', /^must name the master/],
    ['sentinel://a/my master', /^must name the master/],
    ['redis://:100%@host', /^must have special characters/],
  ])('%s is refused', (url, why) => expect(() => parseRedisUrl(url)).toThrow(why))
})

describe('the variables of Redis', () => {
  const problemOf = (env: Readonly<Record<string, string>>): string => {
    try {
      loadWorkerConfig(env)
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      expect(error.exitCode).toBe(EXIT_CONFIG)
      return error.message
    }
    throw new Error('the variables were taken')
  }

  test('a Cluster has database 0 only, and takes no other', () => {
    const REDIS_URL = 'cluster://a:7000'
    expect(loadWorkerConfig({ REDIS_URL }).redis).toMatchObject({ db: 0, queueDb: 0, named: true })
    expect(loadWorkerConfig({ REDIS_URL, REDIS_DB: '0', ASYNQ_DB: '', QUEUE_DB: '0' }).redis).toMatchObject({ db: 0, queueDb: 0 })
    for (const name of ['REDIS_DB', 'ASYNQ_DB', 'QUEUE_DB'])
      expect(problemOf({ REDIS_URL, [name]: '3' })).toBe(
        `Cannot start: ${name} must be 0 or not set where REDIS_URL is a Redis Cluster, which has no other database, not "3"`,
      )
    expect(loadWorkerConfig({ REDIS_URL: 'sentinel://a/m', REDIS_DB: '3' }).redis).toMatchObject({ db: 3, queueDb: 1 })
  })

  test('a bad URL is named, and nothing of it repeated', () => {
    expect(problemOf({ REDIS_URL: 'sentinel://:geheim@one,two' })).toBe(
      'Cannot start: REDIS_URL must name the master after the sentinels, as in sentinel://host:26379/mymaster, and its value is not shown here',
    )
  })

  test('a file of certificates is read, and must be there, hold some, and be of use', () => {
    using folder = new TempFolder()
    const [good, bad] = [folder.file('ca.pem'), folder.file('other.txt')]
    const { cert } = selfSigned('ca.test')
    writeFileSync(good, cert)
    writeFileSync(bad, 'no certificate')
    const REDIS_URL = 'rediss://redis'
    expect(loadWorkerConfig({ REDIS_URL, REDIS_TLS_CA_FILE: good }).redis.ca).toBe(cert)
    expect(problemOf({ REDIS_URL, REDIS_TLS_CA_FILE: bad })).toBe(
      `Cannot start: REDIS_TLS_CA_FILE must be a file of certificates in PEM, which this worker can read (it holds none), not ${JSON.stringify(bad)}`,
    )
    expect(problemOf({ REDIS_URL, REDIS_TLS_CA_FILE: folder.file('none') })).toMatch(/\(ENOENT.*\), not "/)
    expect(problemOf({ REDIS_URL: 'redis://redis', REDIS_TLS_CA_FILE: good })).toMatch(/REDIS_TLS_CA_FILE is set and Redis would be reached without TLS/)
  })

  test('a worker that is started with a bad one says so in one line, and ends with 78', async () => {
    using folder = new TempFolder()
    await using worker = new TestProcess('services/worker/main.ts', {
      env: { DATA_DIR: folder.path, WORKER_PORT: '0', REDIS_URL: 'cluster://user:geheim@a', ASYNQ_DB: '2' },
    })
    expect(await worker.ended).toEqual({ code: EXIT_CONFIG, signal: null })
    expect(worker.stderr.trim()).toBe(
      '[init] Cannot start: ASYNQ_DB must be 0 or not set where REDIS_URL is a Redis Cluster, which has no other database, not "2"',
    )
  })
})

describe('secrets and limits of hits', () => {
  test('each HIT_SECRET_NAME that is not empty is a secret by its name', () => {
    const env = {
      HIT_SECRET_TOKEN: 'x=1',
      HIT_SECRET_A_1: ' ',
      HIT_SECRET_EMPTY: '',
      HIT_SECRET_: 'x',
      HIT_SECRET_lower: 'x',
      [`HIT_SECRET_${'X'.repeat(65)}`]: 'x',
    }
    expect([...loadWorkerConfig(env).secrets]).toEqual([
      ['TOKEN', 'x=1'],
      ['A_1', ' '],
    ])
  })

  test('per destination four fifths of the concurrency, and at least one', () => {
    const perHost = (env: Readonly<Record<string, string>>) => loadWorkerConfig(env).perHost
    expect(perHost({})).toBe(8)
    expect(perHost({ WORKER_CONCURRENCY: '1' })).toBe(1)
    expect(perHost({ WORKER_CONCURRENCY: '100' })).toBe(80)
    expect(perHost({ WORKER_CONCURRENCY: '100', HIT_PER_HOST: '3' })).toBe(3)
    expect(loadWorkerConfig({}).maxBacklog).toBe(1_000_000)
    expect(loadWorkerConfig({ HIT_MAX_BACKLOG: '5' }).maxBacklog).toBe(5)
  })
})
