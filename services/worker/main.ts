import { runUntilSignal } from '#lib/runtime/lifecycle.ts'

// Imported only after the Node.js version was checked: the queue's native part crashes on an old one.
await runUntilSignal(async () => {
  const [{ loadWorkerConfig }, { startWorker }] = await Promise.all([import('./config.ts'), import('./start.ts')])
  return startWorker(loadWorkerConfig())
})
