/**
 * BullMQ's scripts by their names, which its package loads and does not declare. They are built upon in lua.ts; what is used of
 * their keys and arguments is of BullMQ 6.7.0, to which package.json holds, and the conformance suite sees every change.
 */
declare module 'bullmq/dist/cjs/scripts/index.js' {
  interface BullmqScript {
    readonly name: string
    /** The Lua text, with what it includes. */
    readonly content: string
    /** How many keys come before the arguments. */
    readonly keys: number
  }
  export const addStandardJob: BullmqScript
  export const moveJobFromActiveToWait: BullmqScript
  export const moveStalledJobsToWait: BullmqScript
  export const moveToActive: BullmqScript
  export const moveToDelayed: BullmqScript
  export const moveToFinished: BullmqScript
  export const pause: BullmqScript
  export const reprocessJob: BullmqScript
}
