import { describe, expect, test } from 'vitest'
import { targetPolicy } from '#services/worker/hits/policy.ts'

describe('HIT_TARGETS', () => {
  test.each([
    ['a key', 'key', undefined, 'any'],
    ['loopback', undefined, '127.0.0.1', 'any'],
    ['IPv6 loopback', undefined, '::1', 'any'],
    ['localhost', undefined, 'localhost', 'any'],
    ['all addresses without a key', undefined, undefined, 'public'],
    ['0.0.0.0 without a key', undefined, '0.0.0.0', 'public'],
    ['a name without a key', undefined, '127.0.0.1.example.com', 'public'],
  ])('unset, with %s', (_name, apiKey, host, expected) => {
    expect(targetPolicy({ targets: [], apiKey, host })).toBe(expected)
  })

  test.each([
    [['any'], 'any'],
    [['public'], 'public'],
    [['public', '10.0.0.0/8'], { publicAnd: ['10.0.0.0/8'] }],
    [['fd00::/8', '192.168.1.1'], { publicAnd: ['fd00::/8', '192.168.1.1'] }],
  ])('%j', (targets, expected) => {
    expect(targetPolicy({ targets, apiKey: undefined, host: undefined })).toEqual(expected)
  })

  test.each([
    [['private'], 'private'],
    [['any', '10.0.0.0/8'], 'any'],
    [['public', '10.0.0.0/40'], '10.0.0.0/40'],
  ])('%j stops the start and names %s', (targets, named) => {
    expect(() => targetPolicy({ targets, apiKey: 'key', host: undefined })).toThrow(
      `HIT_TARGETS is "${targets.join(',')}" and must be any, or public and CIDR ranges such as 10.0.0.0/8, parted by commas: "${named}" is no range`,
    )
  })
})
