import { parseStrictJson, StrictJsonError } from '../../../../lib/contract/strict-json.ts'
import { syntaxProblem } from './syntax.ts'

/** A JSON object, or why a text is none that could be published; in the browser and here. */
export type CheckedJson =
  | { readonly value: Readonly<Record<string, unknown>> }
  /** `line` and `column`, from 1, where it is no JSON at all; else `path` says where. */
  | { readonly path: string; readonly message: string; readonly line?: number; readonly column?: number }

/**
 * Reads the text of what lies below `key` in the body of a request, by the rules of the API.
 * @param key as the API names it; absent: the text is the whole body
 */
export function checkJson(text: string, key?: string): CheckedJson {
  const root = key ?? 'body'
  if (text.trim() === '') return { path: root, message: 'expected a JSON object, got nothing' }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const problem = syntaxProblem(text)
    if (problem) return { path: root, ...problem, message: `line ${problem.line}, column ${problem.column}: ${problem.message}` }
    // As deep as the engine goes, which is deeper than anything that is taken.
    return { path: root, message: 'it is nested too deep' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { path: root, message: 'expected a JSON object' }
  try {
    parseStrictJson(key === undefined ? text : `{${JSON.stringify(key)}:${text}}`)
  } catch (error) {
    if (error instanceof StrictJsonError) return { path: error.path, message: error.message }
    throw error
  }
  return { value: value as Readonly<Record<string, unknown>> }
}
