/**
 * A process that writes to a store until it is killed: `writer.mjs <root> <group> <member> [<writes.json>]`.
 *
 * The writes come from a file, so that whoever kills it knows them all. It tells line by line, straight to the descriptor, what it
 * does: `open`, `refused <why>`, `issued <n>`, `acked <n>`, `failed <n> <why>`, `end`. Without writes it holds the store.
 */
import { readFileSync, writeSync } from 'node:fs'
import { lmdb } from '../../dist/actors/storage/lmdb.js'

const [root, group, member, file] = process.argv.slice(2)
const tell = (line) => writeSync(1, `${line}\n`)

let store
try {
  store = lmdb(root).open(group, member)
  tell('open')
} catch (error) {
  tell(`refused ${error.message}`)
  process.exit(0)
}

if (file === undefined) setInterval(() => {}, 1_000)
else {
  const { bursts } = JSON.parse(readFileSync(file, 'utf8'))
  for (const burst of bursts) await Promise.all(burst.map(issue))
  tell('end')
}

/** Not closed at the end: a store must not keep a process alive, nor need a farewell. */
function issue(write) {
  tell(`issued ${write.number}`)
  const entries = write.entries.map((entry) => ({ ...entry, packed: Buffer.from(entry.packed, 'base64') }))
  return new Promise((resolve) => {
    store.write({ ...write, entries }, (error) => {
      tell(error ? `failed ${write.number} ${error.message}` : `acked ${write.number}`)
      resolve()
    })
  })
}
