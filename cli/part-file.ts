import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * A file that is written under another name, and takes its own once it is whole and synced: who looks for it finds all of
 * it or none. For nobody else to read.
 */
export class PartFile implements Disposable {
  readonly #path: string
  readonly #part: string
  #descriptor: number | undefined

  /** @throws the file system's error */
  constructor(path: string) {
    this.#path = path
    this.#part = `${path}.${process.pid}.part`
    this.#descriptor = openSync(this.#part, 'wx', 0o600)
  }

  /** @throws the file system's error */
  write(bytes: Uint8Array): void {
    if (this.#descriptor === undefined) throw new Error('the file is closed')
    // A write may take less than it is given where the disk fills up: the loop ends in its ENOSPC.
    for (let at = 0; at < bytes.byteLength; ) at += writeSync(this.#descriptor, bytes, at)
  }

  /**
   * Gives it its name.
   * @param overwrite whether one that is there already may go
   * @throws the file system's error: EEXIST where one is there and may not go
   */
  finish(overwrite: boolean): void {
    if (this.#descriptor === undefined) throw new Error('the file is closed')
    fsyncSync(this.#descriptor)
    this.#close()
    if (overwrite) renameSync(this.#part, this.#path)
    // A rename would replace what another process wrote meanwhile.
    else linkSync(this.#part, this.#path)
    const folder = openSync(dirname(this.#path), 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  [Symbol.dispose](): void {
    this.#close()
    rmSync(this.#part, { force: true })
  }
}
