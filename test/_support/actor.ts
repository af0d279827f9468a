import type { Actor } from '#lib/store/port.ts'

/** Whoever makes a change in a test. */
export const someone: Actor = { key_id: 'bootstrap', name: 'API_KEY', address: '127.0.0.1', request_id: 'a-test' }
