import type { ErrorDetail } from '../contract/envelope.ts'
import { appendStep } from './path.ts'

/** The dialect that is understood; a schema may name it, or none. */
const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

/** Keywords whose value is no schema (json-schema.org/draft/2020-12, core and validation). */
const plain = [
  ...['$schema', '$id', '$ref', '$anchor', '$dynamicRef', '$dynamicAnchor', '$vocabulary', '$comment'],
  ...['type', 'const', 'enum', 'multipleOf', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum', 'maxLength', 'minLength', 'pattern'],
  ...['maxItems', 'minItems', 'uniqueItems', 'maxContains', 'minContains', 'maxProperties', 'minProperties', 'required', 'dependentRequired'],
  ...['title', 'description', 'default', 'deprecated', 'readOnly', 'writeOnly', 'examples', 'format', 'contentEncoding', 'contentMediaType'],
] as const
/** Those whose value is a schema, a list of them, or an object of them. */
const one = [
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'if',
  'then',
  'else',
  'not',
  'unevaluatedItems',
  'unevaluatedProperties',
  'contentSchema',
]
const list = ['prefixItems', 'allOf', 'anyOf', 'oneOf']
const map = ['$defs', 'definitions', 'properties', 'patternProperties', 'dependentSchemas', 'dependencies']

const known: ReadonlyMap<string, 'plain' | 'one' | 'list' | 'map'> = new Map([
  ...plain.map((name) => [name, 'plain'] as const),
  ...one.map((name) => [name, 'one'] as const),
  ...list.map((name) => [name, 'list'] as const),
  ...map.map((name) => [name, 'map'] as const),
])

/** What is found in a schema before it is compiled. */
export interface SchemaFindings {
  /** What looks like a rule and is none, each with its place. */
  readonly problems: readonly ErrorDetail[]
  /** Where references stand, by what they say. */
  readonly references: ReadonlyMap<string, string>
}

/**
 * Walks a schema and finds what would be no rule: a compiler stops at the first, says no place, and takes keywords of its own
 * that make it ask for nothing at all (`$async`).
 * @param formats the formats that are known
 */
export function lookInto(schema: Readonly<Record<string, unknown>>, formats: ReadonlySet<string>): SchemaFindings {
  const problems: ErrorDetail[] = []
  const references = new Map<string, string>()

  /** What an engine says of a pattern. */
  function pattern(text: string, path: string): void {
    try {
      new RegExp(text, 'u')
    } catch (error) {
      problems.push({ path, message: `is no regular expression: ${error instanceof Error ? error.message : String(error)}` })
    }
  }

  function keyword(name: string, value: unknown, path: string): void {
    if (name === '$schema' && value !== DRAFT && value !== `${DRAFT}#`) {
      problems.push({ path, message: `must be ${JSON.stringify(DRAFT)} where it is given: other drafts are not understood` })
    }
    if (name === 'format' && typeof value === 'string' && !formats.has(value)) {
      problems.push({ path, message: `${JSON.stringify(value)} is no format that is checked here; known are ${[...formats].sort().join(', ')}` })
    }
    if (name === 'pattern' && typeof value === 'string') pattern(value, path)
    if ((name === '$ref' || name === '$dynamicRef') && typeof value === 'string' && !references.has(value)) references.set(value, path)
  }

  function subschemas(kind: 'one' | 'list' | 'map', value: unknown, path: string): void {
    if (kind === 'one') walk(value, path)
    else if (kind === 'list' && Array.isArray(value)) value.forEach((item, i) => void walk(item, appendStep(path, i)))
    else if (kind === 'map' && typeof value === 'object' && value !== null) for (const [name, item] of Object.entries(value)) walk(item, appendStep(path, name))
  }

  function walk(value: unknown, path: string): void {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    for (const [name, part] of Object.entries(value)) {
      const [kind, at] = [known.get(name), appendStep(path, name)]
      if (kind === undefined) problems.push({ path: at, message: 'is no keyword of JSON Schema draft 2020-12' })
      else if (kind === 'plain') keyword(name, part, at)
      else subschemas(kind, part, at)
      if (name === 'patternProperties' && typeof part === 'object' && part !== null) for (const text of Object.keys(part)) pattern(text, appendStep(at, text))
    }
  }

  walk(schema, 'schema')
  return { problems, references }
}
