import { runUntilSignal } from '#lib/runtime/lifecycle.ts'

await runUntilSignal(async () => {
  const [{ loadAgentConfig }, { startAgent }] = await Promise.all([import('./config.ts'), import('./start.ts')])
  return startAgent(loadAgentConfig())
})
