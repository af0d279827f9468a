// The load generator of what must be quick at a given rate: each request is sent when it is due, whether or not those
// before were answered, and its time counts from then. A server that stalls cannot hold back what would show it.
import { z } from 'zod'
import { answerCalls, on } from '../support/answer.ts'
import type { RawAnswer } from '../support/http-text.ts'
import { monotonicMs } from '../support/monotonic.ts'
import { runOpenLoop } from '../support/protocol.ts'
import { RawConnection } from '../support/raw-connection.ts'

/** Connections that are kept open between rounds; more are opened where all are in use. */
const CONNECTIONS = 32
/** How often it is looked for what is due, in ms. */
const LOOK_MS = 1

const TaskSchema = z.object({ task_id: z.string() })
const AcceptedSchema = z.union([TaskSchema, z.object({ data: TaskSchema }).transform(({ data }) => data)])

/** The id of the task that was accepted. @throws Error where the answer says anything else */
function acceptedId({ status, text, bodyAt }: RawAnswer): string {
  if (status !== 202) throw new Error(`expected 202, got ${JSON.stringify(text.slice(0, 1000))}`)
  return AcceptedSchema.parse(JSON.parse(text.slice(bodyAt))).task_id
}

answerCalls(
  on(runOpenLoop, async ({ port, request, per_second, ms }) => {
    const bytes = Buffer.from(request)
    const idle = await RawConnection.openMany(port, CONNECTIONS)
    const all = [...idle]
    const total = Math.round((per_second * ms) / 1000)
    const due_ms: Record<string, number> = {}
    const answered_ms: number[] = []
    const over = Promise.withResolvers<void>()

    const send = async (due: number): Promise<void> => {
      const connection = idle.pop() ?? (await RawConnection.open(port))
      if (!all.includes(connection)) all.push(connection)
      const answered = (answer: RawAnswer) => {
        answered_ms.push(monotonicMs() - due)
        due_ms[acceptedId(answer)] = due
        idle.push(connection)
        if (answered_ms.length === total) over.resolve()
      }
      connection.send(bytes, answered, over.reject)
    }

    const start = monotonicMs() + LOOK_MS
    let sent = 0
    const look = setInterval(() => {
      for (const now = monotonicMs(); sent < total; sent += 1) {
        const due = start + (sent * 1000) / per_second
        if (due > now) return
        send(due).catch(over.reject)
      }
      clearInterval(look)
    }, LOOK_MS)
    try {
      await over.promise
    } finally {
      clearInterval(look)
      for (const connection of all) connection.close()
    }
    return { due_ms, answered_ms }
  }),
)
