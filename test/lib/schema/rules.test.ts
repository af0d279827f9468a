import { describe, expect, it } from 'vitest'
import { compileSchema } from '#lib/schema/rules.ts'

function violationsOf(schema: Readonly<Record<string, unknown>>, data: unknown) {
  const compiled = compileSchema(schema)
  if (compiled.kind === 'invalid') throw new Error(JSON.stringify(compiled.problems))
  return compiled.check(data)
}
function problemsOf(schema: Readonly<Record<string, unknown>>) {
  const compiled = compileSchema(schema)
  return compiled.kind === 'invalid' ? compiled.problems : []
}

describe('a config that does not meet its schema', () => {
  it('is told each part by its path, and what was wanted and found', () => {
    const schema = {
      type: 'object',
      required: ['url'],
      properties: {
        limits: { type: 'array', items: { type: 'object', properties: { max: { type: 'integer', minimum: 1 } } } },
        mode: { enum: ['a', 'b'] },
        at: { type: 'string', format: 'date-time' },
        name: { pattern: '^[a-z]+$' },
        off: false,
        'odd/key~': { const: 1 },
      },
      additionalProperties: false,
    }
    const data = { limits: [{ max: 1 }, { max: 0 }], mode: 'c', at: 'noon', name: 'A', off: 1, other: 1, 'odd/key~': 2 }
    expect(violationsOf(schema, data)).toEqual([
      { path: 'data.url', message: 'is missing, and the schema requires it' },
      { path: 'data.other', message: 'is not a key that the schema knows' },
      { path: 'data.limits[1].max', message: 'must be >= 1, got 0' },
      { path: 'data.mode', message: 'must be one of ["a","b"], got "c"' },
      { path: 'data.at', message: 'must match format "date-time", got "noon"' },
      { path: 'data.name', message: 'must match the pattern "^[a-z]+$", got "A"' },
      { path: 'data.off', message: 'is not allowed by the schema' },
      { path: 'data.odd/key~', message: 'must be 1, got 2' },
    ])
  })

  it('is told fifty at most, and none of them is long, however long keys, values and patterns are', () => {
    const long = 'k'.repeat(20_000)
    const schema = {
      required: [long, ...Array.from({ length: 100 }, (_, i) => `n${i}`)],
      properties: { x: { pattern: long, enum: [long], const: long }, [`${long}😀`]: { type: 'number' } },
    }
    const found = violationsOf(schema, { x: `😀${long}`, [`${long}😀`]: long })
    expect(found).toHaveLength(50)
    expect(found[0]?.path).toMatch(/^data\.kkk.*…k+$/)
    expect(JSON.stringify(found).length).toBeLessThan(50 * 800)
  })

  it.each<[string, object]>([
    ['refers to itself without end', { allOf: [{ $ref: '#' }] }],
    ['holds a pattern that is too large to run', { properties: { x: { pattern: 'k'.repeat(200_000) } } }],
  ])('is told so where the schema %s', (_name, schema) => {
    expect(violationsOf({ ...schema }, { x: 'k' })).toEqual([{ path: 'data', message: expect.stringMatching(/^cannot be checked by the schema: .{5,450}$/s) }])
  })

  it.each<[string, object, unknown]>([
    ['a key that is a property and matches a pattern', { properties: { ab: { type: 'number' } }, patternProperties: { '^a': {} } }, { ab: 1 }],
    ['a multiple that is none in binary', { properties: { n: { multipleOf: 0.01 } } }, { n: 0.07 }],
    ['a reference within the schema', { $defs: { n: { type: 'number' } }, properties: { n: { $ref: '#/$defs/n' } } }, { n: 1 }],
    ['a schema of its own name', { $id: 'https://example.com/s', $defs: { n: { $anchor: 'n', type: 'number' } }, properties: { n: { $ref: '#n' } } }, { n: 1 }],
    ['keywords of the draft', { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{}], unevaluatedProperties: true, $comment: 'x' }, {}],
    ['words that are keywords, as names and values', { properties: { $async: { default: { propertys: 1 }, examples: [{ typo: 1 }] } } }, { $async: 1 }],
  ])('is not what has %s', (_name, schema, data) => {
    expect(violationsOf({ ...schema }, data)).toEqual([])
  })
})

describe('a schema that cannot be used', () => {
  it.each<[string, object, string, RegExp]>([
    ['a type that is none', { properties: { a: { type: 'objekt' } } }, 'schema.properties.a.type', /must be one of .*got "objekt"/],
    ['a keyword that is none', { properties: { a: { propertys: {} } } }, 'schema.properties.a.propertys', /^is no keyword of JSON Schema draft 2020-12$/],
    ['a keyword that is none, where nothing refers to it', { $defs: { a: { anyOf: [{ typ: 1 }] } } }, 'schema.$defs.a.anyOf[0].typ', /is no keyword/],
    ['a keyword of another dialect', { properties: { a: { type: 'string', nullable: true } } }, 'schema.properties.a.nullable', /is no keyword/],
    ['a format that is none', { items: { format: 'urll' } }, 'schema.items.format', /^"urll" is no format that is checked here; known are .*date-time/],
    ['a pattern that is none', { properties: { a: { pattern: '(' } } }, 'schema.properties.a.pattern', /^is no regular expression: /],
    ['a pattern for keys that is none', { patternProperties: { '(': {} } }, 'schema.patternProperties.(', /^is no regular expression: /],
    ['a reference to itself', { properties: { a: { $ref: '#/properties/a' } } }, 'schema', /^refers to itself without end$/],
    ['half a condition', { if: {} }, 'schema', /"if" without "then" and "else" is ignored$/],
    [
      'a reference to elsewhere',
      { not: { $ref: 'http://127.0.0.1:1/s.json' } },
      'schema.not.$ref',
      /^"http:.*s.json" leads to no place in this schema; nothing is/,
    ],
    ['a reference to nowhere', { not: { $ref: '#/$defs/a' } }, 'schema.not.$ref', /^"#\/\$defs\/a" leads to no place/],
    ['another draft', { $schema: 'http://json-schema.org/draft-07/schema#' }, 'schema.$schema', /^must be "https:\/\/json-schema.org\/draft\/2020-12\/schema"/],
  ])('is refused with the place: %s', (_name, schema, path, message) => {
    const problem = problemsOf({ ...schema }).find((one) => one.path === path)
    expect(problem?.message, JSON.stringify(problemsOf({ ...schema }))).toMatch(message)
  })

  it('is refused where its compiler would make it ask for nothing at all', () => {
    expect(problemsOf({ $async: true, required: ['n'] })).toEqual([{ path: 'schema.$async', message: 'is no keyword of JSON Schema draft 2020-12' }])
  })

  it('is told all of its mistakes at once', () => {
    expect(problemsOf({ a: 1, properties: { x: { b: 1 }, y: { format: 'c' } } }).map(({ path }) => path)).toEqual([
      'schema.a',
      'schema.properties.x.b',
      'schema.properties.y.format',
    ])
  })
})
