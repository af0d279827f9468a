import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuditCheck } from '#lib/audit/check.ts'
import { AUDIT_START, type AuditEntry, hashedFields } from '#lib/contract/audit.ts'

/** An audit as the controller writes it: a publish each. */
function chainOf(comments: readonly (string | null)[]): AuditEntry[] {
  let prev_hash = AUDIT_START
  return comments.map((comment, i) => {
    const entry = {
      seq: i + 1,
      at: '2026-11-26T09:00:00.000Z',
      action: 'publish' as const,
      key_id: 'bootstrap',
      actor: 'API_KEY',
      address: '127.0.0.1',
      request_id: `request-${i}`,
      subject: null,
      version_before: i === 0 ? null : i,
      version_after: i + 1,
      comment,
      prev_hash,
    }
    prev_hash = hash('sha256', hashedFields(entry), 'hex')
    return { ...entry, hash: prev_hash }
  })
}

/** What a check finds, reading from the newest down. */
function findingsOf(entries: readonly AuditEntry[], written: number, knownHead?: string) {
  const check = new AuditCheck(knownHead)
  for (const entry of entries.toReversed()) check.add(entry)
  return check.end({ written, latestVersion: written === 0 ? undefined : written })
}

const comments = fc.array(fc.option(fc.string()), { minLength: 1, maxLength: 30 })
const chosen = (entries: readonly AuditEntry[], place: number): number => place % entries.length

describe('AuditCheck', () => {
  it('finds nothing in what the controller wrote', () => {
    fc.assert(
      fc.property(comments, fc.nat(), (texts, place) => {
        const entries = chainOf(texts)
        expect(findingsOf(entries, entries.length, entries[chosen(entries, place)]?.hash)).toEqual([])
      }),
    )
  })

  it('finds one field of one entry that is another', () => {
    const fields = [
      'at',
      'action',
      'key_id',
      'actor',
      'address',
      'request_id',
      'subject',
      'version_before',
      'version_after',
      'comment',
      'prev_hash',
      'hash',
    ] as const
    fc.assert(
      fc.property(comments, fc.nat(), fc.constantFrom(...fields), (texts, place, field) => {
        const entries = chainOf(texts)
        const at = chosen(entries, place)
        const altered = entries.map((entry, i) => (i === at ? { ...entry, [field]: 'another' } : entry))
        expect(findingsOf(altered, entries.length)).toContainEqual(expect.objectContaining({ kind: 'edit', seq: at + 1 }))
      }),
    )
  })

  it('finds one that was taken out, wherever it stood', () => {
    fc.assert(
      fc.property(comments, fc.nat(), (texts, place) => {
        const entries = chainOf(texts)
        const at = chosen(entries, place)
        const findings = findingsOf(entries.toSpliced(at, 1), entries.length)
        expect(findings).toContainEqual(expect.objectContaining(at === entries.length - 1 ? { kind: 'cut', seq: at } : { kind: 'gap', seq: at + 1 }))
      }),
    )
  })

  it('finds two that changed places', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.string()), { minLength: 2, maxLength: 30 }), fc.nat(), (texts, place) => {
        const entries = chainOf(texts)
        const at = place % (entries.length - 1)
        const [one, other] = entries.slice(at, at + 2)
        if (one === undefined || other === undefined) throw new Error('there are not two')
        expect(findingsOf(entries.toSpliced(at, 2, other, one), entries.length)).not.toEqual([])
      }),
    )
  })

  it('finds, by a hash that was kept, that all from one entry on were written anew', () => {
    fc.assert(
      fc.property(comments, fc.nat(), (texts, place) => {
        const entries = chainOf(texts)
        const at = chosen(entries, place)
        const anew = chainOf(texts.map((text, i) => (i === at ? `${text} and more` : text)))
        expect(findingsOf(anew, anew.length)).toEqual([])
        expect(findingsOf(anew, anew.length, entries.at(-1)?.hash)).toMatchObject([{ kind: 'head' }])
      }),
    )
  })
})
