// The load generator: a closed loop over kept-alive connections, in a process of its own so that it takes the
// other core. Every answer is checked: a server cannot win by answering wrongly.
import { answerCalls, on } from '../support/answer.ts'
import type { RawAnswer } from '../support/http-text.ts'
import { runLoad } from '../support/protocol.ts'
import { RawConnection } from '../support/raw-connection.ts'

const SAMPLES = 5
/** Stands in a request for a number of its own. */
const UNIQUE = '@@@@@@@@@@'

/** Versions are consecutive where each came once and they span exactly as many numbers. */
function assertConsecutive(versions: readonly number[]): number {
  const last = Math.max(...versions)
  const span = last - Math.min(...versions) + 1
  if (new Set(versions).size !== versions.length || span !== versions.length) {
    throw new Error(`the versions are not consecutive: ${versions.length} answers, ${new Set(versions).size} different versions over a span of ${span}`)
  }
  return last
}

answerCalls(
  on(runLoad, async ({ port, request, connections: count, until, expect, versions: readVersions = false }) => {
    const bytes = Buffer.from(request)
    const uniqueAt = bytes.indexOf(UNIQUE)
    // Far from those of another round.
    let unique = Math.floor(Math.random() * 8e9)
    const nextRequest = () => {
      if (uniqueAt === -1) return bytes
      const own = Buffer.from(bytes)
      own.write(String(unique++).padStart(UNIQUE.length, '0'), uniqueAt)
      return own
    }
    const connections = await RawConnection.openMany(port, count)
    const samples: string[] = []
    const versions: number[] = []
    const wanted = 'requests' in until ? until.requests : Number.POSITIVE_INFINITY
    let sent = 0
    let done = 0
    let over = false
    const check = ({ status, text, bodyBytes, bodyAt }: RawAnswer) => {
      const right = status === expect.status && text.includes(expect.includes) && (expect.bodyBytes === undefined || bodyBytes === expect.bodyBytes)
      if (!right) throw new Error(`expected ${JSON.stringify(expect)}, got ${JSON.stringify(text.slice(0, 1000))}`)
      if (samples.length < SAMPLES) samples.push(text.slice(bodyAt))
      if (readVersions) versions.push(Number(/"version":(\d+)/.exec(text)?.[1]))
    }

    const start = performance.now()
    const timer = 'ms' in until ? setTimeout(() => (over = true), until.ms) : undefined
    const loops = connections.map(
      (connection) =>
        new Promise<void>((resolve, reject) => {
          const next = () => {
            if (over || sent === wanted) return resolve()
            sent += 1
            connection.send(nextRequest(), answered, reject)
          }
          const answered = (answer: RawAnswer) => {
            check(answer)
            done += 1
            next()
          }
          next()
        }),
    )
    try {
      await Promise.all(loops)
    } finally {
      over = true
      clearTimeout(timer)
      for (const connection of connections) connection.close()
    }
    const seconds = (performance.now() - start) / 1000
    return { count: done, seconds, samples, ...(readVersions ? { lastVersion: assertConsecutive(versions) } : {}) }
  }),
)
