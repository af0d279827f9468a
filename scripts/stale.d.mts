/** Whether dist/ is older than what it is built from. */
export function isStale(root: string): boolean
