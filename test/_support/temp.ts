import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder of a test's own; it goes with everything in it when the test's scope ends. */
export class TempFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'dcm-test-'))

  /** The path of a file in it. */
  file(name: string): string {
    return join(this.path, name)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
