/** JSON that cannot be stored exactly as it was sent, or is none. `path` says where, as `data.items[2].id`. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError'
  readonly path: string
  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }
}

/** How deep objects and arrays may lie in each other. */
export const MAX_JSON_DEPTH = 64

/** A number as sign-less digits and a power of ten, so that 1.50, 15e-1 and 1.5 are the same. */
function canonical(number: string): string {
  const [mantissa = '', exponent = '0'] = number.replace('-', '').toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const digits = (whole + fraction).replace(/^0+/, '')
  // By hand: /0+$/ begins anew at each zero, and a megabyte of them would hold the event loop for minutes.
  let end = digits.length
  while (end > 0 && digits[end - 1] === '0') end--
  if (end === 0) return '0'
  return `${digits.slice(0, end)}e${Number(exponent) - fraction.length + (digits.length - end)}`
}

/** Why a number would be stored changed; undefined where it would not. */
function numberProblem(raw: string): string | undefined {
  const value = Number(raw)
  const shown = raw.length > 40 ? `${raw.slice(0, 40)}…` : raw
  if (!Number.isFinite(value)) return `number ${shown} is larger than a double holds; send it as a string`
  // However it is written: 1e16 would be passed on as its digits, and the next reader must judge it the same.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return `integer ${shown} is beyond ±9007199254740991, which JSON numbers cannot hold exactly; send it as a string`
  }
  if (Object.is(value, -0)) return `number ${shown} would be stored as 0`
  return canonical(raw) === canonical(String(value)) ? undefined : `number ${shown} has more digits than a double holds; send it as a string`
}

/**
 * Walks JSON that `JSON.parse` has found valid, and throws where parsing lost something: a key given twice, a
 * `__proto__` key, a number beyond a double, half a surrogate pair, nesting beyond {@link MAX_JSON_DEPTH}. Recursion is bounded by
 * that depth, so input cannot exhaust the stack.
 */
class Walk {
  readonly #text: string
  #at = 0
  readonly #path: (string | number)[] = []

  constructor(text: string) {
    this.#text = text
  }

  /** Walks one value; validity is known, so the first character tells its kind. */
  value(depth: number): void {
    this.#space()
    const first = this.#text[this.#at]
    if (first === '{' || first === '[') {
      if (depth > MAX_JSON_DEPTH) this.#fail(`is nested deeper than ${MAX_JSON_DEPTH} levels`)
      if (first === '{') this.#object(depth)
      else this.#array(depth)
    } else if (first === '"') this.#wellFormed(this.#string())
    else this.#scalar()
  }

  #object(depth: number): void {
    const seen = new Set<string>()
    this.#at++
    this.#space()
    while (this.#text[this.#at] !== '}') {
      if (this.#text[this.#at] === ',') this.#at++
      this.#space()
      const source = this.#string()
      const name = String(JSON.parse(source))
      this.#path.push(name)
      this.#wellFormed(source)
      if (name === '__proto__') this.#fail('the key "__proto__" is not allowed')
      if (seen.has(name)) this.#fail('this key is given twice')
      seen.add(name)
      this.#space()
      this.#at++ // the colon
      this.value(depth + 1)
      this.#path.pop()
      this.#space()
    }
    this.#at++
  }

  #array(depth: number): void {
    this.#at++
    this.#space()
    for (let i = 0; this.#text[this.#at] !== ']'; i++) {
      if (this.#text[this.#at] === ',') this.#at++
      this.#path.push(i)
      this.value(depth + 1)
      this.#path.pop()
      this.#space()
    }
    this.#at++
  }

  /** Passes over a string and gives its source, quotes included. */
  #string(): string {
    const start = this.#at++
    for (;;) {
      const quote = this.#text.indexOf('"', this.#at)
      let backslashes = 0
      while (this.#text[quote - 1 - backslashes] === '\\') backslashes++
      this.#at = quote + 1
      if (backslashes % 2 === 0) return this.#text.slice(start, this.#at)
    }
  }

  /** Refuses half a surrogate pair, which only an escape can bring in: UTF-8 has no bytes for it. */
  #wellFormed(source: string): void {
    if (/\\u[dD]/.test(source) && !String(JSON.parse(source)).isWellFormed()) this.#fail('a string holds half a surrogate pair, which UTF-8 cannot hold')
  }

  #scalar(): void {
    const pattern = /[^\s,\]}]+/y
    pattern.lastIndex = this.#at
    const raw = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += raw.length
    const problem = /^[-\d]/.test(raw) ? numberProblem(raw) : undefined
    if (problem) this.#fail(problem)
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return
      this.#at++
    }
  }

  #fail(message: string): never {
    const path = this.#path.reduce<string>((all, part) => (typeof part === 'number' ? `${all}[${part}]` : all ? `${all}.${part}` : part), '')
    throw new StrictJsonError(path.length > 300 ? `${path.slice(0, 300)}…` : path || 'body', message)
  }
}

/**
 * Parses JSON (RFC 8259) and refuses what would not come back as it was sent.
 * @param text the whole document
 * @throws StrictJsonError with the path of the part that is refused
 */
export function parseStrictJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new StrictJsonError(
      'body',
      text.trim() === '' ? 'expected JSON, got nothing' : `expected JSON: ${error instanceof Error ? error.message : 'it cannot be parsed'}`,
    )
  }
  new Walk(text).value(1)
  return value
}
