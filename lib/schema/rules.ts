import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { ErrorDetail } from '../contract/envelope.ts'
import { lookInto, type SchemaFindings } from './keywords.ts'
import { pathInWords, shortened } from './path.ts'

/** How many violations are named. */
const MAX_VIOLATIONS = 50
/** How many characters of a value are shown. */
const MAX_VALUE = 100

/** Why a schema cannot be used, or what checks by it. */
export type Compiled =
  | { readonly kind: 'invalid'; readonly problems: readonly ErrorDetail[] }
  | { readonly kind: 'valid'; readonly check: (data: unknown) => ErrorDetail[] }

const shown = (value: unknown): string => shortened(JSON.stringify(value) ?? String(value), MAX_VALUE)

/** What was wanted where a value is, in words. */
function wanted({ keyword, params, message }: ErrorObject): string {
  if (keyword === 'enum') return `must be one of ${shown(params.allowedValues)}`
  if (keyword === 'const') return `must be ${shown(params.allowedValue)}`
  if (keyword === 'pattern') return `must match the pattern ${shown(params.pattern)}`
  return message ?? 'does not meet the schema'
}

/** A violation in words, with where it is: a missing or an unknown key is named itself. */
function violation(error: ErrorObject, root: string): ErrorDetail {
  const { instancePath, keyword, params, data } = error
  const at = (property?: string) => shortened(pathInWords(root, instancePath, property))
  if (keyword === 'required') return { path: at(String(params.missingProperty)), message: 'is missing, and the schema requires it' }
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') {
    return { path: at(String(params.additionalProperty ?? params.unevaluatedProperty)), message: 'is not a key that the schema knows' }
  }
  if (keyword === 'false schema') return { path: at(), message: 'is not allowed by the schema' }
  return { path: at(), message: shortened(`${wanted(error)}, got ${shown(data)}`, 400) }
}

const violations = (errors: readonly ErrorObject[] | null | undefined, root: string): ErrorDetail[] =>
  (errors ?? []).slice(0, MAX_VIOLATIONS).map((error) => violation(error, root))

/** What the compiler says, with the place of the reference that it stumbled on. */
function compileProblem(error: unknown, { references }: SchemaFindings): ErrorDetail {
  const message = error instanceof Error ? error.message : String(error)
  const place = [...references].find(([reference]) => message.startsWith(`can't resolve reference ${reference} from id`))
  if (place) return { path: shortened(place[1]), message: `${shown(place[0])} leads to no place in this schema; nothing is fetched from elsewhere` }
  if (error instanceof RangeError) return { path: 'schema', message: 'refers to itself without end' }
  return { path: 'schema', message: shortened(message, 400) }
}

/** Checks data, whatever becomes of it: a schema may refer to itself without end, or hold a pattern that no engine runs. */
function checkBy(validate: ValidateFunction, data: unknown): ErrorDetail[] {
  try {
    const verdict: unknown = validate(data)
    if (verdict === true) return []
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return [{ path: 'data', message: `cannot be checked by the schema: ${shortened(message, 400)}` }]
  }
  const found = violations(validate.errors, 'data')
  return found.length > 0 ? found : [{ path: 'data', message: 'does not meet the schema' }]
}

/**
 * Compiles a JSON Schema of draft 2020-12. Unknown keywords and formats are refused: what looks like a rule and is none
 * would be found out too late. Nothing is ever fetched: a reference leads to the schema itself.
 */
export function compileSchema(schema: Readonly<Record<string, unknown>>): Compiled {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    // What the draft allows and strict mode does not: these are matters of style.
    strictTypes: false,
    strictRequired: false,
    strictTuples: false,
    allowMatchingProperties: true,
    // 0.07 is a multiple of 0.01, whatever their quotient is in binary.
    multipleOfPrecision: 6,
    logger: false,
  })
  formats.default(ajv)
  // Understood where it is referred to, and unknown to strict mode all the same.
  ajv.addKeyword('$anchor')
  const findings = lookInto(schema, new Set(Object.keys(ajv.formats)))
  if (findings.problems.length > 0) {
    const problems = findings.problems.slice(0, MAX_VIOLATIONS).map(({ path, message }) => ({ path: shortened(path), message: shortened(message, 800) }))
    return { kind: 'invalid', problems }
  }
  try {
    // First by the draft's own schema, which names the place; compiling says only what it stumbled on.
    if (ajv.validateSchema(schema) !== true) return { kind: 'invalid', problems: violations(ajv.errors, 'schema') }
    const validate = ajv.compile(schema)
    return { kind: 'valid', check: (data) => checkBy(validate, data) }
  } catch (error) {
    return { kind: 'invalid', problems: [compileProblem(error, findings)] }
  }
}
