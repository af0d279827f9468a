import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'

const AnswerSchema = z.object({ error: z.string().optional() })

/**
 * What the thread runs. A text, so that it is there in a bundle too; and its own connection, since one must not be
 * shared between threads. A passive checkpoint waits for nobody and holds up nobody (sqlite.org/wal.html,
 * "Checkpointing"). To begin the log anew it also makes the first write to it: SQLite syncs the new head of a log before
 * it writes over what was there, in the thread of whoever does that.
 */
const code = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.driver)
const db = new Database(workerData.path, { timeout: 0 })
db.pragma('synchronous = NORMAL')
db.pragma('wal_autocheckpoint = 0')
const touch = db.prepare('UPDATE probe SET at = at + 1')
const checkpoint = (anew) => {
  try {
    const [{ busy, log, checkpointed }] = db.pragma(anew ? 'wal_checkpoint(RESTART)' : 'wal_checkpoint(PASSIVE)')
    if (anew && busy === 0 && log === checkpointed) touch.run()
    return {}
  } catch (error) {
    return error.code === 'SQLITE_BUSY' ? {} : { error: String(error.message) }
  }
}
parentPort.on('message', (what) => {
  if (what !== 'close') return parentPort.postMessage(checkpoint(what === 'anew'))
  db.close()
  parentPort.close()
})
`

/** Much more than it needs; without a bound a thread takes as much heap as the process. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }

/** Writes the log of a database to its file, in a thread of its own. It is started when it is first needed: it costs 15 MiB. */
export class CheckpointThread {
  readonly #path: string
  #worker: Worker | undefined

  /** @param path of the database, which is open in this process for as long as the thread is not closed */
  constructor(path: string) {
    this.#path = path
  }

  /**
   * Writes to the file what the log holds when it begins; what is committed meanwhile stays. Only one at a time.
   * @param anew lets the log begin anew after that, where nobody else writes or reads at that moment
   * @throws where it cannot be written, or the thread cannot be started
   */
  async run(anew: boolean): Promise<void> {
    const worker = this.#worker ?? this.#start()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const onExit = () => reject(new Error('the thread has ended'))
    worker.once('message', resolve).once('error', reject).once('exit', onExit)
    try {
      worker.postMessage(anew ? 'anew' : 'checkpoint')
      const { error } = AnswerSchema.parse(await promise)
      if (error !== undefined) throw new Error(error)
    } finally {
      worker.off('message', resolve).off('error', reject).off('exit', onExit)
    }
  }

  /** Ends the thread, once it has closed its connection: only then does closing the last one empty the log. */
  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.ref()
    worker.postMessage('close')
    await exited
  }

  #start(): Worker {
    const driver = createRequire(import.meta.url).resolve('better-sqlite3')
    const worker = new Worker(code, { eval: true, execArgv: [], env: {}, workerData: { driver, path: this.#path }, resourceLimits })
    worker.unref()
    // Told to who waits for an answer; without a listener it would end the process.
    worker.on('error', () => {})
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
    })
    this.#worker = worker
    return worker
  }
}
