import { createHash } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'

/** How much is read at once, in bytes. */
const CHUNK = 256 * 1024

/**
 * A file that is read once and is nowhere to be found: its name is taken away as soon as it is open, so that nothing is left
 * of it whatever becomes of this process.
 */
export class NamelessFile {
  readonly bytes: number
  readonly #handle: FileHandle

  private constructor(handle: FileHandle, bytes: number) {
    this.#handle = handle
    this.bytes = bytes
  }

  /** Opens a file and takes its name away. */
  static async take(path: string): Promise<NamelessFile> {
    const handle = await open(path, 'r')
    try {
      await rm(path)
      return new NamelessFile(handle, (await handle.stat()).size)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** SHA-256 of all of it, base64. */
  async sha256(): Promise<string> {
    const digest = createHash('sha256')
    for (let at = 0; at < this.bytes; ) {
      const chunk = await this.#read(at)
      digest.update(chunk)
      at += chunk.byteLength
    }
    return digest.digest('base64')
  }

  /**
   * All of it, read as it is asked for.
   * @param options.stall_ms for how long nobody may ask for more before it is given up
   * @param options.over called once, when it was read to its end, cancelled, or given up; the file is closed by then
   */
  stream(options: { readonly stall_ms: number; readonly over: () => void }): ReadableStream<Uint8Array> {
    let at = 0
    let stalled: NodeJS.Timeout | undefined
    let isOver = false
    const end = async () => {
      clearTimeout(stalled)
      if (isOver) return
      isOver = true
      await this.close().catch(() => {})
      options.over()
    }
    const wait = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      stalled = setTimeout(() => {
        controller.error(new Error(`nothing of it was read for ${options.stall_ms / 1000} s`))
        void end()
      }, options.stall_ms).unref()
    }
    return new ReadableStream<Uint8Array>(
      {
        start: wait,
        pull: async (controller) => {
          clearTimeout(stalled)
          try {
            const chunk = at < this.bytes ? await this.#read(at) : undefined
            at += chunk?.byteLength ?? 0
            const isLast = at >= this.bytes
            // Before the last of it goes out: whoever has read it all may ask for the next at once.
            if (isLast) await end()
            if (chunk) controller.enqueue(chunk)
            if (isLast) controller.close()
            else wait(controller)
          } catch (error) {
            await end()
            throw error
          }
        },
        cancel: end,
      },
      { highWaterMark: 0 },
    )
  }

  close(): Promise<void> {
    return this.#handle.close()
  }

  async #read(at: number): Promise<Uint8Array> {
    const chunk = new Uint8Array(Math.min(CHUNK, this.bytes - at))
    const { bytesRead } = await this.#handle.read(chunk, 0, chunk.byteLength, at)
    if (bytesRead === 0) throw new Error(`the file ends after ${at} of its ${this.bytes} bytes`)
    return chunk.subarray(0, bytesRead)
  }
}
