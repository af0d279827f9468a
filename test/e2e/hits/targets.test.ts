import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { HitResult } from '#lib/contract/hit.ts'
import { deadPort, plainAnswer, type RawHandler, RawTarget } from '#test/_support/targets.ts'
import { selfSigned } from '#test/services/worker/hits/certificate.ts'
import { sized } from '#test/torture/size.ts'
import { HitLedger } from './hit-ledger.ts'
import { configure, embedded, startWorker, type Worker } from './worker-on.ts'

const DEADLINE_S = 2
/** How much the worker may need for all of them at once, in MiB: the 256 KiB that it keeps of each, and what streams hold. */
const MOST_MIB = 100
/** As many of each at once. */
const EACH = sized(2, 8)

/** Writes a piece again and again, as long as the other side takes it. */
function endless(socket: Socket, piece: string | Buffer): void {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', more)
  more()
}

/** Writes a piece every so often. */
function drip(socket: Socket, piece: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(piece), everyMs)
  socket.on('close', () => clearInterval(timer))
}

const TEN_GB = 10_000_000_000
const mebibyte = Buffer.alloc(2 ** 20, 'a')
/** 64 MiB of zeros in 64 KiB. */
const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20), { level: 9 })

/** How a hit to a target ends. */
type End = Partial<HitResult>
const fails = (error_class: HitResult['error_class']): End => ({ status: 'failed', ...(error_class === undefined ? {} : { error_class }) })
const cutOff: End = { status: 'completed', status_code: 200, truncated: true }

const badDays: readonly (readonly [what: string, handler: RawHandler, end: End])[] = [
  ['resets', (socket) => socket.resetAndDestroy(), fails('connection_reset')],
  ['closes without an answer', (socket) => socket.end(), fails('connection_reset')],
  ['never answers', () => {}, fails('timeout')],
  ['stalls after its headers', (socket) => socket.write('HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n'), fails('timeout')],
  [
    'drips a byte a second',
    (socket) => {
      socket.write('HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n')
      drip(socket, 'x', 1000)
    },
    fails('timeout'),
  ],
  [
    'sends 10 GB',
    (socket) => {
      socket.write(`HTTP/1.1 200 X\r\nContent-Length: ${TEN_GB}\r\n\r\n`)
      endless(socket, mebibyte)
    },
    { ...cutOff, size_bytes: TEN_GB },
  ],
  [
    'sends chunks without end',
    (socket) => {
      socket.write('HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n')
      endless(socket, Buffer.concat([Buffer.from('100000\r\n'), mebibyte, Buffer.from('\r\n')]))
    },
    cutOff,
  ],
  ['sends a gzip bomb', (socket) => socket.write(plainAnswer(200, bomb, { 'Content-Encoding': 'gzip' })), cutOff],
  ['sends bad chunks', (socket) => socket.write('HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n'), fails('invalid_response')],
  [
    'has one header without end',
    (socket) => {
      socket.write('HTTP/1.1 200 X\r\nX-Long: ')
      endless(socket, 'a'.repeat(10_000))
    },
    fails('invalid_response'),
  ],
  ['has huge headers', (socket) => socket.write(`HTTP/1.1 200 X\r\n${`X-Long: ${'a'.repeat(8000)}\r\n`.repeat(100)}\r\n`), fails('invalid_response')],
  ['ends before its Content-Length', (socket) => socket.end('HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhello'), fails('connection_reset')],
  ['has two Content-Lengths', (socket) => socket.write('HTTP/1.1 200 X\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'), fails('invalid_response')],
  ['does not speak HTTP', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'), fails('invalid_response')],
]

/** The most memory a process has had resident, in MiB. */
const peakMib = (pid: number): number => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** A worker that tries each hit once, with the time that they have. */
async function openWorker() {
  const store = await embedded()
  const worker = await startWorker(store, { WORKER_RETRY_MAX: '0', WORKER_CONCURRENCY: '200', HIT_PER_HOST: '100' })
  return {
    worker,
    [Symbol.asyncDispose]: async () => {
      await worker[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

/** Hits targets, each as its config says; gives the results, each with its name. */
async function hitAll(worker: Worker, targets: readonly (readonly [what: string, url: string])[]): Promise<Map<string, HitResult[]>> {
  const ledger = new HitLedger()
  const names: string[] = []
  for (const [version, [what, url]] of targets.entries()) {
    await configure(worker, { url, request: { timeout_seconds: DEADLINE_S } }, version + 1)
    for (let time = 0; time < EACH; time += 1) {
      expect(await ledger.post(worker.port)).toBe(true)
      names.push(what)
    }
  }
  await ledger.allEnd(worker.port, (DEADLINE_S + 10) * 1000)
  const ended = new Map<string, HitResult[]>()
  for (const [index, taskId] of [...ledger.acknowledged].entries()) {
    const [result, what = ''] = [ledger.results.get(taskId), names[index]]
    if (result !== undefined) ended.set(what, [...(ended.get(what) ?? []), result])
  }
  return ended
}

test('whatever a target does: one class of error, within the deadline and a second, and the worker stays small', { timeout: 60_000 }, async () => {
  await using opened = await openWorker()
  const { worker } = opened
  await using stack = new AsyncDisposableStack()
  const urls: (readonly [string, string])[] = []
  for (const [what, handler] of badDays) urls.push([what, stack.use(await RawTarget.open(handler)).url()])
  urls.push(['refuses', `http://127.0.0.1:${await deadPort()}/`])
  urls.push([
    'has a certificate that it signed itself',
    stack.use(await RawTarget.open((socket) => socket.end(plainAnswer(200)), { tls: selfSigned('target.test') })).url(),
  ])
  const expired = selfSigned('target.test', { from: -2, to: -1 })
  urls.push(['has a certificate that ran out', stack.use(await RawTarget.open((socket) => socket.end(plainAnswer(200)), { tls: expired })).url()])
  const ends = new Map<string, End>([
    ...badDays.map(([what, , end]): [string, End] => [what, end]),
    ['refuses', fails('connection_refused')],
    ['has a certificate that it signed itself', fails('tls_error')],
    ['has a certificate that ran out', fails('tls_error')],
  ])

  const before = peakMib(worker.process.pid)
  const results = await hitAll(worker, urls)
  expect(peakMib(worker.process.pid) - before).toBeLessThan(MOST_MIB)
  expect([...results.keys()]).toEqual([...ends.keys()])
  for (const [what, ended] of results) {
    expect(ended).toHaveLength(EACH)
    for (const result of ended) {
      expect(result, what).toMatchObject({ ...ends.get(what), attempts: 1 })
      expect(result.timings?.total, what).toBeLessThan((DEADLINE_S + 1) * 1000)
      if (result.status === 'failed') expect(result.body ?? '', what).toBe('')
    }
  }
  // None of them has done the worker any harm.
  await using target = await RawTarget.open((socket) => socket.write(plainAnswer(200, 'well')))
  expect((await hitAll(worker, [['well', target.url()]])).get('well')).toEqual(Array.from({ length: EACH }, () => expect.objectContaining({ body: 'well' })))
})

test('what a target answers comes back byte for byte', { timeout: 60_000 }, async () => {
  await using opened = await openWorker()
  const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const answers: readonly (readonly [what: string, status: number, body: Buffer])[] = [
    ['all 256 values of a byte', 200, allBytes],
    ['the same backwards', 200, Buffer.from(allBytes.toReversed())],
    ['nothing', 200, Buffer.alloc(0)],
    ['no content', 204, Buffer.alloc(0)],
    ['text of all planes', 200, Buffer.from('\t\r\n "\\ü€😀\u2028\ufeff')],
    ['a byte order mark', 200, Buffer.from('\ufeffx')],
    ['half a character', 200, Buffer.from('ü').subarray(0, 1)],
    ['a NUL', 200, Buffer.from('a\0b')],
    ['a page not found', 404, Buffer.from('none')],
  ]
  await using stack = new AsyncDisposableStack()
  const urls: (readonly [string, string])[] = []
  for (const [what, status, body] of answers) {
    const bytes = status === 204 ? Buffer.from('HTTP/1.1 204 X\r\n\r\n') : plainAnswer(status, body)
    urls.push([what, stack.use(await RawTarget.open((socket) => socket.write(bytes))).url()])
  }
  const results = await hitAll(opened.worker, urls)
  for (const [what, status, sent] of answers) {
    for (const { status: end, status_code, body = '', body_encoding, size_bytes, truncated } of results.get(what) ?? []) {
      expect([end, status_code, size_bytes, truncated], what).toEqual(['completed', status, sent.length, false])
      expect(Buffer.from(body, body_encoding ?? 'utf8').toString('hex'), what).toBe(sent.toString('hex'))
    }
  }
  expect(results.size).toBe(answers.length)
})
