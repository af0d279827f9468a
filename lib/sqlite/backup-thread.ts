import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'

const OutcomeSchema = z.object({ error: z.string().optional() })

/**
 * What the thread runs; a text, so that it is there in a bundle too. Its read transaction is open for the whole copy: else
 * each commit of another connection would let SQLite begin it anew (sqlite.org/c3ref/backup_finish.html), and it would
 * never end under steady writes. A few thousand pages a step, so that it can be ended in between. The copy leaves WAL
 * mode: then it is one file, which can be opened where nothing may be written beside it.
 */
const code = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.driver)
const copy = async () => {
  const db = new Database(workerData.path, { readonly: true, fileMustExist: true, timeout: 5000 })
  try {
    db.exec('BEGIN')
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    await db.backup(workerData.to, { progress: () => 2048 })
  } finally {
    db.close()
  }
  const copied = new Database(workerData.to, { fileMustExist: true })
  try {
    copied.pragma('journal_mode = DELETE')
  } finally {
    copied.close()
  }
}
copy().then(
  () => parentPort.postMessage({}),
  (error) => parentPort.postMessage({ error: error.code ? error.message + ' (' + error.code + ')' : String(error.message) }),
)
`

/** Pages go by SQLite's own memory; without a bound a thread takes as much heap as the process. */
const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 }

/**
 * Writes a copy of a database to a file, as it is when this begins, while everything goes on: in a thread of its own, since
 * the copy ends with a sync of the whole file (measured: 0.3 s for 600 MB on a fast disk).
 * @param path of the database
 * @param to a file that is not there yet, or empty
 * @param signal ends it; what was written stays
 * @throws where it cannot be written or read, or was ended
 */
export async function copyDatabase(path: string, to: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const driver = createRequire(import.meta.url).resolve('better-sqlite3')
  const thread = new Worker(code, { eval: true, execArgv: [], env: {}, workerData: { driver, path, to }, resourceLimits })
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  thread.once('message', resolve).once('error', reject)
  thread.once('exit', () => reject(new Error('the thread that makes the copy has ended')))
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    const { error } = OutcomeSchema.parse(await promise)
    if (error !== undefined) throw new Error(error)
  } finally {
    signal.removeEventListener('abort', abort)
    await thread.terminate()
  }
}
