/** JSON without loss: numbers as decimals, and each key with all its values. Written apart from the code under test. */
export type LosslessJson =
  | { readonly kind: 'number'; readonly raw: string; readonly decimal: string }
  | { readonly kind: 'string'; readonly units: readonly number[] }
  | { readonly kind: 'word'; readonly word: string }
  | { readonly kind: 'array'; readonly items: readonly LosslessJson[] }
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, readonly LosslessJson[]> }

const token = /\s*(?:([{}[\],:])|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y

/** A decimal as `digits * 10^exponent` with no zero at the end, by whole numbers only. */
function decimalOf(raw: string): string {
  const [mantissa = '', exponent = '0'] = raw.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  let digits = BigInt(whole.replace('-', '') + fraction)
  let power = BigInt(exponent) - BigInt(fraction.length)
  if (digits === 0n) return '0'
  while (digits % 10n === 0n) {
    digits /= 10n
    power++
  }
  return `${raw.startsWith('-') ? '-' : ''}${digits}e${power}`
}

/** A string by its UTF-16 units, so that half a surrogate pair is not taken for its replacement. */
function unitsOf(raw: string): number[] {
  const text: unknown = JSON.parse(raw)
  if (typeof text !== 'string') throw new Error(`no string: ${raw}`)
  return Array.from({ length: text.length }, (_, i) => text.charCodeAt(i))
}

/** Reads valid JSON without loss. `raw` of a number is left out, so that two spellings of one number are equal. */
export function losslessJson(text: string): LosslessJson {
  const tokens: string[] = []
  for (token.lastIndex = 0; text.slice(token.lastIndex).trim() !== ''; ) {
    const match = token.exec(text)
    if (!match) throw new Error(`no JSON: ${text}`)
    tokens.push(match[0].trim())
  }
  let at = 0
  const next = (): string => {
    const found = tokens[at++]
    if (found === undefined) throw new Error(`no JSON: ${text}`)
    return found
  }
  const value = (): LosslessJson => {
    const first = next()
    if (first === '[') {
      const items: LosslessJson[] = []
      while (tokens[at] !== ']') {
        items.push(value())
        if (tokens[at] === ',') at++
      }
      at++
      return { kind: 'array', items }
    }
    if (first === '{') {
      const members = new Map<string, LosslessJson[]>()
      while (tokens[at] !== '}') {
        const name = unitsOf(next()).join()
        at++ // the colon
        members.set(name, [...(members.get(name) ?? []), value()])
        if (tokens[at] === ',') at++
      }
      at++
      return { kind: 'object', members }
    }
    if (first.startsWith('"')) return { kind: 'string', units: unitsOf(first) }
    if (/^[-\d]/.test(first)) return { kind: 'number', raw: decimalOf(first) === '0' ? '0' : String(Number(first)), decimal: decimalOf(first) }
    return { kind: 'word', word: first }
  }
  return value()
}
