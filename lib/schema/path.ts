/** How long a path is at most; of a longer one the beginning and the end. */
const MAX_PATH = 300

/** One step more of a path in words: `data.limits.max`, `data.items[2]`. */
export const appendStep = (path: string, step: string | number): string => (typeof step === 'number' ? `${path}[${step}]` : `${path}.${step}`)

/**
 * A JSON Pointer (RFC 6901) in words, behind what it begins with.
 * @param property one step more
 */
export function pathInWords(root: string, pointer: string, property?: string): string {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  if (property !== undefined) steps.push(property)
  return steps.reduce((all, step) => appendStep(all, /^\d+$/.test(step) ? Number(step) : step), root)
}

/** What goes out of a text that may be as long as a config. */
export function shortened(text: string, most: number = MAX_PATH): string {
  if (text.length <= most) return text
  return `${text.slice(0, most / 2).toWellFormed()}…${text.slice(-most / 2).toWellFormed()}`
}
