import { z } from 'zod'
import type { Command } from './protocol.ts'

const CallSchema = z.object({ id: z.number(), command: z.string(), args: z.unknown() })

/** A command with the code that answers it. */
interface Handler {
  readonly name: string
  run(args: unknown): Promise<unknown>
}

/** Pairs a command with the code that answers it. */
export const on = <A extends z.ZodType, R extends z.ZodType>(
  command: Command<A, R>,
  answer: (args: z.output<A>) => z.input<R> | Promise<z.input<R>>,
): Handler => ({ name: command.name, run: async (args) => answer(command.args.parse(args)) })

/** Answers the bench's calls in a child process, until the bench goes away: a child never outlives it. */
export function answerCalls(...handlers: readonly Handler[]): void {
  process.on('message', async (message) => {
    const { id, command, args } = CallSchema.parse(message)
    try {
      const handler = handlers.find(({ name }) => name === command)
      if (!handler) throw new Error(`there is no command ${JSON.stringify(command)}`)
      process.send?.({ id, answer: await handler.run(args) })
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.once('disconnect', () => process.exit(0))
}
