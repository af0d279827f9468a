import { writeAtomically } from '#lib/runtime/atomic-file.ts'

// Writes one value after the other to the file that its argument names, until it is killed.
const [, , path = ''] = process.argv
for (let n = 1; ; n++) {
  writeAtomically(path, { n, filler: 'x'.repeat((n * 7919) % 200_000) })
  if (n % 5 === 0) process.stdout.write(`${n}\n`)
}
