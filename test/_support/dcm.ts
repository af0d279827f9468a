import { runCommand } from '#cli/run.ts'
import type { Environment } from '#lib/runtime/env.ts'
import { TEST_KEY } from './controller.ts'

/** What a run of the command came to. */
export interface DcmRun {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command in this process; nothing of the machine's settings leaks in. */
export async function dcm(
  args: readonly string[],
  env: Environment = {},
  options: { readonly tty?: boolean; readonly signal?: AbortSignal } = {},
): Promise<DcmRun> {
  let [stdout, stderr] = ['', '']
  const isTTY = options.tty ?? false
  const exit = await runCommand(args, {
    env: { HOME: '/nonexistent', API_KEY: TEST_KEY, ...env },
    stdout: { write: (text) => (stdout += text), isTTY },
    stderr: { write: (text) => (stderr += text), isTTY },
    signal: options.signal ?? new AbortController().signal,
  })
  return { exit, stdout, stderr }
}
