import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { reach } from '../call.ts'
import type { Context } from '../context.ts'
import { CliError, exits, reasonOf } from '../exit.ts'
import { PartFile } from '../part-file.ts'

const exists = (file: string): CliError =>
  new CliError(exits.cannotCreate, `cannot write ${file}: it exists already; name another, or overwrite it with --force`)

/** The error of a file that cannot be written. */
function cannotWrite(file: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error)) return error
  return 'code' in error && error.code === 'EEXIST' ? exists(file) : new CliError(exits.cannotCreate, `cannot write ${file}: ${error.message}`)
}

/** Makes the file, as an error of this command where it cannot be made. */
function openPart(file: string): PartFile {
  try {
    return new PartFile(file)
  } catch (error) {
    throw cannotWrite(file, error)
  }
}

/** The bytes of a backup, as they come. */
async function* bytesOf(where: string, answer: Pick<Response, 'body'>): AsyncGenerator<Uint8Array> {
  try {
    if (answer.body) for await (const chunk of answer.body) yield chunk
  } catch (error) {
    throw new CliError(exits.unavailable, `${where} ended the backup before its end: ${reasonOf(error)}; try again`)
  }
}

/** `dcm backup FILE`. */
export async function backup(context: Context, file: string, options: { readonly force?: boolean }): Promise<number> {
  const { settings, output } = context
  // Before the controller makes one for nothing; what counts is looked at once more at the end.
  if (!options.force && existsSync(file)) throw exists(file)
  using part = openPart(file)
  const where = settings.controllerUrl
  const answer = await reach(where, () => context.streamingController.backup.$get())
  const digest = createHash('sha256')
  let bytes = 0
  for await (const chunk of bytesOf(where, answer)) {
    digest.update(chunk)
    bytes += chunk.byteLength
    try {
      part.write(chunk)
    } catch (error) {
      throw cannotWrite(file, error)
    }
  }
  const sha256 = digest.digest('base64')
  if (answer.headers.get('Repr-Digest') !== `sha-256=:${sha256}:` || answer.headers.get('Content-Length') !== String(bytes))
    throw new CliError(exits.unavailable, `the backup did not arrive as ${where} sent it (${bytes} bytes), and nothing was written; try again`)
  try {
    part.finish(options.force === true)
  } catch (error) {
    throw cannotWrite(file, error)
  }
  output.result({ file, bytes, sha256: Buffer.from(sha256, 'base64').toString('hex') }, () => file)
  output.note(`wrote ${bytes} bytes; it holds all configs and the digests of keys`)
  return exits.ok
}
