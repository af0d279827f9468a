// Preloaded into a service: writes the URL of each module that it loads, by import or require, to the file LOADED_MODULES.
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, next) {
    appendFileSync(process.env.LOADED_MODULES ?? '', `${url}\n`)
    return next(url, context)
  },
})
