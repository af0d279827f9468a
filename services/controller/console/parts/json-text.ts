/** JSON as people read it. */
export const prettyJson = (value: unknown): string => JSON.stringify(value, undefined, 2) ?? 'null'
