import { describe, expect, test } from 'vitest'
import { parentOf, relayPathOf } from '#lib/distribution/relay-path.ts'
import { signOf } from '#lib/distribution/sign.ts'
import { bootstrapCaller } from '#lib/http/caller.ts'

const held = { ifNoneMatch: '"7"', configId: null }
const idIn = (id: string) => signOf({ get: (name) => (name === 'x-agent-id' ? id : null) }, held, 'poll', bootstrapCaller)?.agentId

describe('an id in a header', () => {
  test.each(['', 'x'.repeat(65), 'ä', 'a\tb'])('%j is none: a batch with it would be refused', (id) => {
    expect(idIn(id)).toBeUndefined()
  })

  test.each(['x', 'x'.repeat(64)])('%j is one', (id) => {
    expect(idIn(id)).toBe(id)
    expect(relayPathOf(`${id}, b,`)).toEqual([id, 'b'])
  })

  test.each([`a,${'y'.repeat(65)}`, 'a,ä', ','.repeat(2049)])('X-Relay-Path is refused by name where it holds none or is too long', (path) => {
    expect(() => relayPathOf(path)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST', message: expect.stringContaining('header.x-relay-path') }))
  })

  test('and where it names too many', () => {
    expect(relayPathOf(Array(16).fill('x'.repeat(64)).join(', '))).toHaveLength(16)
    expect(() => relayPathOf(Array(17).fill('x').join())).toThrow(expect.objectContaining({ code: 'RELAY_LOOP' }))
  })
})

test.each([
  ['A', [], undefined],
  ['A', ['R'], 'R'],
  ['A', ['R', 'M'], 'R'],
  ['R', ['R'], undefined],
  ['R', ['R', 'M'], 'M'],
  ['R', ['M'], 'M'],
])('%s by way of %j follows %s', (agentId, path, parent) => {
  expect(parentOf(agentId, path)).toBe(parent)
})
