import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Context } from '../context.ts'

/** What a command does, once its code is loaded: what it does not need costs it nothing. */
export type Run = (work: (context: Context) => Promise<number>) => Promise<void>

/** A parser for a whole number within bounds. */
export const whole =
  (min: number, max: number) =>
  (text: string): number => {
    if (!/^\d{1,15}$/.test(text) || Number(text) < min || Number(text) > max) throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`)
    return Number(text)
  }

/** The largest version that is asked for. */
export const version = whole(1, Number.MAX_SAFE_INTEGER)

/** Gathers an option that may be repeated. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** `--limit` of lists. */
export const limit = (what: string) => new Option('--limit <n>', `how many ${what} at most`).argParser(whole(1, 1_000_000)).default(20)

/** `--comment`, which history and audit keep. */
export const comment = () => new Option('--comment <text>', 'why this change; kept in the history and in the audit')

/** What a publish and a rollback take alike. */
export function withPublishOptions(command: Command): Command {
  return command
    .option('--if-version <n>', 'only where this is the latest version; 0: only where there is none yet', whole(0, Number.MAX_SAFE_INTEGER))
    .addOption(comment())
    .option('--author <name>', 'who wants this change, where that is somebody else than the owner of the key')
    .option('--idempotency-key <key>', 'makes a repeat safe: for a day the same key gives the first answer')
    .option('--dry-run', 'show the difference and what the config schema finds wrong (exit 65 where there is any), and publish nothing')
    .option('--wait', 'wait until every online agent that reports has applied it')
    .option('--timeout <seconds>', 'how long --wait waits', whole(1, 86_400), 60)
}

/** Examples below the help of a command. */
export const examples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)
