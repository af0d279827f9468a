import { describe, expect, it } from 'vitest'
import { SchemaChecker } from '#lib/schema/checker.ts'

const check = async (schema: object, data?: unknown) => {
  const checker = new SchemaChecker()
  try {
    return await checker.check(JSON.stringify(schema), data === undefined ? undefined : JSON.stringify(data))
  } finally {
    await checker.close()
  }
}

const hostile = JSON.stringify({ properties: { x: { type: 'string', pattern: '^(a+)+$' } } })
const poison = JSON.stringify({ x: `${'a'.repeat(40)}!` })

describe('the schema checker', () => {
  it('names each violation by its path, and what was wanted and found', async () => {
    const schema = {
      type: 'object',
      required: ['url'],
      properties: {
        limits: { type: 'array', items: { type: 'object', properties: { max: { type: 'integer', minimum: 1 } } } },
        mode: { enum: ['a', 'b'] },
        at: { type: 'string', format: 'date-time' },
        'odd/key~': { const: 1 },
      },
      additionalProperties: false,
    }
    const verdict = await check(schema, { limits: [{ max: 1 }, { max: 0 }], mode: 'c', at: 'noon', other: 1, 'odd/key~': 2 })
    expect(verdict.kind === 'violations' && verdict.violations).toEqual([
      { path: 'data.url', message: 'is missing, and the schema requires it' },
      { path: 'data.other', message: 'is not a key that the schema knows' },
      { path: 'data.limits[1].max', message: 'must be >= 1, got 0' },
      { path: 'data.mode', message: 'must be one of ["a","b"], got "c"' },
      { path: 'data.at', message: 'must match format "date-time", got "noon"' },
      { path: 'data.odd/key~', message: 'must be 1, got 2' },
    ])
  })

  it.each<[string, object, RegExp]>([
    ['a type that is none', { type: 'objekt' }, /must be equal to one of|must be one of/],
    ['a keyword that is none', { type: 'object', propertys: {} }, /unknown keyword: "propertys"/],
    ['a format that is none', { type: 'string', format: 'urll' }, /unknown format "urll"/],
    ['a pattern that is none', { type: 'string', pattern: '(' }, /pattern|regular expression/i],
    ['a reference to elsewhere', { $ref: 'http://127.0.0.1:1/schema.json' }, /can't resolve reference/],
    ['another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, /no schema with key or ref/],
  ])('refuses as a schema: %s', async (_name, schema, message) => {
    const verdict = await check(schema)
    expect(verdict.kind).toBe('invalid_schema')
    if (verdict.kind === 'invalid_schema') expect(verdict.problems.map((problem) => problem.message).join()).toMatch(message)
  })

  it('gives a check up that does not end, and answers the others', async () => {
    const checker = new SchemaChecker({ limit_ms: 300 })
    try {
      const verdicts = await Promise.all([
        checker.check(hostile, '{}'),
        checker.check(hostile, poison),
        checker.check(hostile, JSON.stringify({ x: 'aaa' })),
        checker.check(hostile, poison),
        checker.check(hostile, JSON.stringify({ x: 'b' })),
      ])
      expect(verdicts.map(({ kind }) => kind)).toEqual(['good', 'too_slow', 'good', 'too_slow', 'violations'])
    } finally {
      await checker.close()
    }
  })

  it('keeps no more than a thousand waiting', async () => {
    const checker = new SchemaChecker()
    try {
      const verdicts = await Promise.all(Array.from({ length: 1010 }, () => checker.check('{}', '{}')))
      const kinds = verdicts.map(({ kind }) => kind)
      expect([kinds.filter((kind) => kind === 'good').length, kinds.filter((kind) => kind === 'too_many').length]).toEqual([1000, 10])
    } finally {
      await checker.close()
    }
  })
})
