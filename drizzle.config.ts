import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './lib/store/sqlite/tables.ts',
  out: './migrations',
})
