import type { Context } from '../context.ts'

/** Whether there is somebody to ask: a person at a terminal, both ways. */
export const isAskable = ({ output }: Context): boolean => output.isWatched && process.stdin.isTTY === true

/** Asks for a yes; Ctrl-C and Enter are a no. */
export async function confirm({ signal }: Context, message: string): Promise<boolean> {
  const prompts = await import('@clack/prompts')
  const answer = await prompts.confirm({ message, initialValue: false, output: process.stderr, signal })
  return answer === true
}
