import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { ErrorDetail } from '../contract/envelope.ts'

/** How many violations are named. */
const MAX_VIOLATIONS = 50

/** Why a schema cannot be used, or what checks by it. */
export type Compiled =
  | { readonly kind: 'invalid'; readonly problems: readonly ErrorDetail[] }
  | { readonly kind: 'valid'; readonly check: (data: unknown) => ErrorDetail[] }

/** `limits.items[2]` of a JSON Pointer, behind what it begins with. */
function pathOf(pointer: string, root: string, property?: string): string {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (property !== undefined) steps.push(property)
  return steps.reduce((all, step) => (/^\d+$/.test(step) ? `${all}[${step}]` : `${all}.${step}`), root)
}

const shorten = (value: unknown): string => {
  const json = JSON.stringify(value) ?? String(value)
  return json.length > 100 ? `${json.slice(0, 100)}…` : json
}

/** A violation in words, with where it is: a missing or an unknown key is named itself. */
function violation({ instancePath, keyword, params, message, data }: ErrorObject, root: string): ErrorDetail {
  if (keyword === 'required') return { path: pathOf(instancePath, root, String(params.missingProperty)), message: 'is missing, and the schema requires it' }
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') {
    const name = String(params.additionalProperty ?? params.unevaluatedProperty)
    return { path: pathOf(instancePath, root, name), message: 'is not a key that the schema knows' }
  }
  const wanted =
    keyword === 'enum' ? `must be one of ${shorten(params.allowedValues)}` : keyword === 'const' ? `must be ${shorten(params.allowedValue)}` : message
  return { path: pathOf(instancePath, root), message: `${wanted ?? 'does not meet the schema'}, got ${shorten(data)}` }
}

/**
 * Compiles a JSON Schema of draft 2020-12. Unknown keywords and formats are refused: what looks like a rule and is none
 * would be found out too late. Nothing is ever fetched: a reference leads to the schema itself.
 */
export function compileSchema(schema: Readonly<Record<string, unknown>>): Compiled {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: true, strictTypes: false, strictRequired: false, strictTuples: false, logger: false })
  formats.default(ajv)
  let validate: ValidateFunction
  try {
    // First by the draft's own schema, which names the place; compiling says only what it stumbled on.
    if (ajv.validateSchema(schema) !== true)
      return { kind: 'invalid', problems: (ajv.errors ?? []).slice(0, MAX_VIOLATIONS).map((error) => violation(error, 'schema')) }
    validate = ajv.compile(schema)
  } catch (error) {
    return { kind: 'invalid', problems: [{ path: 'schema', message: error instanceof Error ? error.message : String(error) }] }
  }
  return {
    kind: 'valid',
    check: (data) => {
      if (validate(data) === true) return []
      const found = (validate.errors ?? []).map((error) => violation(error, 'data'))
      return found.slice(0, MAX_VIOLATIONS)
    },
  }
}
