import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readStored, writeAtomically } from '#lib/runtime/atomic-file.ts'
import { TestProcess } from '#test/_support/process.ts'
import { TempFolder } from '#test/_support/temp.ts'

const WrittenSchema = z.object({ n: z.number(), filler: z.string() })

describe('an atomic file', () => {
  it('gives back any JSON that was written', () => {
    using folder = new TempFolder()
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        writeAtomically(folder.file('x.json'), value)
        expect(readStored(folder.file('x.json'))).toEqual({ kind: 'value', value: JSON.parse(JSON.stringify(value)) })
      }),
      { numRuns: 50 },
    )
    expect(readdirSync(folder.path)).toEqual(['x.json'])
  })

  it('is none before the first write, makes its folder, and is for its owner only', () => {
    using folder = new TempFolder()
    const path = folder.file('made/for/it/x.json')
    expect(readStored(path)).toEqual({ kind: 'none' })
    writeAtomically(path, { key: 'secret' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('is the old one or the new one after a kill -9, and never half of one', async () => {
    using folder = new TempFolder()
    const path = folder.file('x.json')
    for (const writes of [5, 40, 95]) {
      await using writer = new TestProcess('test/lib/runtime/atomic-file-writer.ts', { args: [path] })
      await writer.line('so many writes', ({ msg }) => Number(msg) >= writes)
      writer.signal('SIGKILL')
      await writer.ended
      const stored = readStored(path)
      if (stored.kind !== 'value') throw new Error(`found ${stored.kind}`)
      const { n, filler } = WrittenSchema.parse(stored.value)
      expect(n).toBeGreaterThanOrEqual(writes)
      expect(filler.length).toBe((n * 7919) % 200_000)
    }
  })

  it('is set aside where it is damaged anywhere, and can be written again', () => {
    using folder = new TempFolder()
    const path = folder.file('x.json')
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        writeAtomically(path, { url: 'http://a/', n: [1, 2, 3] })
        const bytes = readFileSync(path)
        // The newline at the very end carries nothing.
        const where = at % (bytes.length - 1)
        bytes[where] = (bytes[where] ?? 0) ^ flip
        writeFileSync(path, bytes)
        const stored = readStored(path)
        expect(stored.kind).toBe('corrupt')
        if (stored.kind === 'corrupt') expect(readFileSync(stored.movedTo)).toEqual(bytes)
        expect(readStored(path)).toEqual({ kind: 'none' })
      }),
      { numRuns: 50 },
    )
  })

  it.each([0, 1, 64, 65, 70])('is set aside where only %i bytes of it are left', (length) => {
    using folder = new TempFolder()
    const path = folder.file('x.json')
    writeAtomically(path, { some: 'value that is longer than that' })
    truncateSync(path, length)
    expect(readStored(path)).toMatchObject({ kind: 'corrupt', movedTo: expect.stringContaining('x.json.corrupt-') })
  })

  it('keeps the old one and leaves nothing beside it where it cannot be written', () => {
    using folder = new TempFolder()
    const path = folder.file('x.json')
    // What stands in the way of the rename: a folder.
    mkdirSync(path)
    expect(() => writeAtomically(path, 2)).toThrow(expect.objectContaining({ syscall: 'rename' }))
    expect(readdirSync(folder.path)).toEqual(['x.json'])
  })
})
