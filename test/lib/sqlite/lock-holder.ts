import { lockFile } from '#lib/sqlite/lock.ts'

// A process that holds the lock of the file that its argument names, until it is killed.
const [, , path = ''] = process.argv
lockFile(path, 'worker')
process.stdout.write('locked\n')
setInterval(() => {}, 60_000)
