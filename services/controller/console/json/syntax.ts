/** Where a text is no JSON, and why. Lines and columns from 1. */
export interface SyntaxProblem {
  readonly line: number
  readonly column: number
  readonly message: string
}

/** What may come next. */
type Wanted = 'value' | 'first value' | 'first key' | 'key' | 'colon' | 'comma' | 'end'

const words: Readonly<Record<Wanted, string>> = {
  value: 'a value',
  'first value': 'a value or ]',
  'first key': 'a key in double quotes or }',
  key: 'a key in double quotes',
  colon: 'a colon',
  comma: 'a comma or the end of what is open',
  end: 'nothing more',
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const literal = /(?:true|false|null)\b/y
const space = /[ \t\n\r]*/y
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** How many characters a pattern matches at a place; 0: none. */
function length(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0].length ?? 0
}

const shown = (text: string, at: number): string => {
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0)
  return character === '\n' || character === '\r' ? 'the end of the line' : JSON.stringify(character)
}

/** The place behind the string that begins at `at`, or what is wrong in it. */
function endOfString(text: string, at: number): number | { readonly at: number; readonly message: string } {
  for (let i = at + 1; i < text.length; ) {
    const code = text.charCodeAt(i)
    if (code === 0x22) return i + 1
    if (code < 0x20)
      return { at: i, message: code === 10 || code === 13 ? 'the string does not end on its line' : 'a control character must be escaped, as \\t' }
    if (code !== 0x5c) i++
    else if (length(escaped, text, i) === 0) return { at: i, message: 'no escape begins so: write \\\\ for a backslash' }
    else i += length(escaped, text, i)
  }
  return { at, message: 'the string does not end' }
}

/** Walks JSON without recursion, up to the first place where it is none. */
function firstProblem(text: string): { readonly at: number; readonly message: string } | undefined {
  const open: ('{' | '[')[] = []
  let wanted: Wanted = 'value'
  let at = 0
  const afterValue = (): Wanted => (open.length === 0 ? 'end' : 'comma')
  for (;;) {
    at += length(space, text, at)
    const character = text[at]
    if (character === undefined) return wanted === 'end' ? undefined : { at, message: `the text ends where ${words[wanted]} is expected` }
    const container = open.at(-1)
    const isKey: boolean = wanted === 'key' || wanted === 'first key'
    const isValue: boolean = wanted === 'value' || wanted === 'first value'
    const closes = character === (container === '{' ? '}' : ']') && container !== undefined
    if (closes && (wanted === 'comma' || wanted === 'first key' || wanted === 'first value')) {
      open.pop()
      at++
      wanted = afterValue()
    } else if (closes && (wanted === 'key' || (wanted === 'value' && container === '['))) {
      return { at, message: `no comma may stand before ${character}` }
    } else if (character === '"' && (isKey || isValue)) {
      const end = endOfString(text, at)
      if (typeof end !== 'number') return end
      at = end
      wanted = isKey ? 'colon' : afterValue()
    } else if (character === ':' && wanted === 'colon') {
      at++
      wanted = 'value'
    } else if (character === ',' && wanted === 'comma') {
      at++
      wanted = container === '{' ? 'key' : 'value'
    } else if (isValue && (character === '{' || character === '[')) {
      open.push(character)
      at++
      wanted = character === '{' ? 'first key' : 'first value'
    } else {
      const end = isValue ? at + (length(number, text, at) || length(literal, text, at)) : at
      if (end === at) return { at, message: character === "'" ? 'strings stand in double quotes' : `expected ${words[wanted]}, got ${shown(text, at)}` }
      at = end
      wanted = afterValue()
    }
  }
}

/** Where a text is no JSON (RFC 8259); undefined where it is. Browsers tell it in words of their own, and some without the place. */
export function syntaxProblem(text: string): SyntaxProblem | undefined {
  const problem = firstProblem(text)
  if (problem === undefined) return undefined
  const before = text.slice(0, problem.at)
  return { line: before.split('\n').length, column: problem.at - (before.lastIndexOf('\n') + 1) + 1, message: problem.message }
}
