/** Whether this is `npm run torture`, where bad days last as long as they may, and not a run of all tests. */
const torture = process.env.HIT_TORTURE === '1'

/** The size of a bad day: `normal` among all tests, `full` by `npm run torture`. */
export const sized = <T>(normal: T, full: T): T => (torture ? full : normal)
