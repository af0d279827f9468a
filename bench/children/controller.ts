// Our controller in a process of the bench's own: with what no variable can switch off, switched off.
import { silentLogger } from '#lib/observe/logger.ts'
import { loadControllerConfig } from '#services/controller/config.ts'
import { startController } from '#services/controller/start.ts'
import { answerCalls, on } from '../support/answer.ts'
import { serveController } from '../support/protocol.ts'

answerCalls(
  on(serveController, async ({ folder, counting }) => {
    const config = loadControllerConfig({ DATA_DIR: folder, CONTROLLER_PORT: '0' })
    const { port } = await startController(config, { logger: silentLogger, ...(counting ? {} : { requests: undefined }) })
    return { port }
  }),
)
