/**
 * Characters that would move a terminal's cursor, change its colours, or turn and hide text: controls (C0, C1), marks of
 * direction, line separators, and characters that are not seen.
 */
const unsafe = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** Text from elsewhere as one line that may be shown. */
export const safe = (text: string): string => text.replace(unsafe, (character) => (character === '\t' || character === '\n' ? ' ' : '\ufffd'))

/** Text of several lines from elsewhere. */
export const safeLines = (text: string): string => text.split('\n').map(safe).join('\n')

/**
 * A value as JSON that may be shown and still says the same: what a terminal would obey is escaped.
 * @param indent 2 for people, absent for one line
 */
export const safeJson = (value: unknown, indent?: number): string => {
  const escaped = (character: string) => (character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return JSON.stringify(value, null, indent).replace(unsafe, escaped)
}
