import Database from 'better-sqlite3'
import { expect } from 'vitest'
import { type Config, ConfigSchema } from '#lib/contract/config.ts'
import { publishTo, versionAt } from './publishing.ts'

/** A config as one of the two ends has it. */
type Known = Pick<Config, 'version' | 'data'>

/** What was published, what of it was acknowledged, and what must therefore be there for ever. */
export class Ledger {
  readonly acknowledged = new Map<number, Config>()
  /** By the number in each one's data: its JSON, whether an answer came or not. */
  readonly #sent = new Map<unknown, string>()
  #next = 1

  /** Data that no other publish has. */
  data(text: string): Readonly<Record<string, unknown>> {
    const data = { n: this.#next++, text }
    this.#sent.set(data.n, JSON.stringify(data))
    return data
  }

  /** Notes a 201, and that it answers what was sent. */
  acknowledge(config: Config): void {
    expect(JSON.stringify(config.data)).toBe(this.#sent.get(config.data.n))
    expect(this.acknowledged.has(config.version), `version ${config.version} was acknowledged before`).toBe(false)
    this.acknowledged.set(config.version, config)
  }

  /** Publishes; false where the controller went away before its answer. Another answer than 201 fails the test. */
  async publish(port: number, text: string): Promise<boolean> {
    const data = this.data(text)
    try {
      this.acknowledge(await publishTo(port, data))
      return true
    } catch (error) {
      // What fetch says of a connection that broke; everything else is a finding.
      if (error instanceof TypeError && /^(?:fetch failed|terminated)$/.test(error.message)) return false
      throw error
    }
  }

  /** Whether every acknowledged version from `first` on is still what was acknowledged, as a reader gets it. */
  async checkReads(port: number, first: number): Promise<void> {
    for (const [version, config] of this.acknowledged) if (version >= first) expect(await versionAt(port, version)).toEqual(config)
  }

  /**
   * Looks into the file of a controller that has ended: whole, no gap, nothing lost, nothing that nobody sent.
   * @param given what workers were given: all of it must be there, with the same content
   */
  checkFile(path: string, given: readonly Known[]): void {
    const db = new Database(path, { readonly: true })
    try {
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
      const rows = db.prepare<[], { version: number; id: string; data: string }>('SELECT version, id, data FROM config_versions ORDER BY version').all()
      expect(rows.map(({ version }) => version)).toEqual(rows.map((_row, i) => i + 1))
      const read = rows.map(({ version, id, data }) => ({ version, id, data: ConfigSchema.shape.data.parse(JSON.parse(data)) }))
      for (const { version, id, data } of read) {
        expect(JSON.stringify(data)).toBe(this.#sent.get(data.n))
        expect(this.acknowledged.get(version)?.id ?? id).toBe(id)
      }
      expect(Math.max(0, ...this.acknowledged.keys())).toBeLessThanOrEqual(read.length)
      for (const { version, data } of given) expect(data).toEqual(read[version - 1]?.data)
    } finally {
      db.close()
    }
  }
}
