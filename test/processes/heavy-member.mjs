/**
 * A member whose snapshots are heavy and soon due: `heavy-member.mjs <folder> <voters> <bootstrap>...`. It counts what it is told to add.
 *
 * On standard error: `listens <address>`, `restored` for each snapshot that it goes on from, `warns <code>`. On standard input: `add <id>`,
 * answered with `ok` or `no`; `audit`, answered with how often each was added, as JSON.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createNode, GroupKey, Identity, lmdb } from '../../dist/index.js'

const [folder, voters, ...bootstrap] = process.argv.slice(2)
/** Three chunks on their way. */
const BALLAST = Buffer.alloc(600_000, 'ballast')
/** A command is larger than a tenth of `bytesMax`, so that a snapshot follows the last one after ten. */
const COMPACTION = { entriesMax: 10, bytesMax: 3_000, trailingMax: 0 }
const PAD = 'x'.repeat(400)

let counts = new Map()
const machine = {
  id: 'heavy',
  version: 1,
  apply: ({ id }) => counts.set(id, (counts.get(id) ?? 0) + 1).size,
  query: () => [...counts],
  snapshot: () => [BALLAST, Buffer.from(JSON.stringify([...counts]))],
  restore(chunks) {
    const [ballast, state] = chunks
    if (!BALLAST.equals(ballast)) throw new RangeError('This snapshot is not what it was.')
    counts = new Map(JSON.parse(Buffer.from(state).toString()))
    console.error('restored')
  },
}

const node = await createNode({
  network: 'heavy',
  identity: await Identity.fromFile(join(folder, 'member.key')),
  storage: lmdb(join(folder, 'store')),
  listen: 'ws://127.0.0.1:0',
  bootstrap,
  warn: (code) => console.error(`warns ${code}`),
})
const key = GroupKey.fromSecret(Buffer.alloc(32, 7))
const group = node.join({ key, machine, voters: Number(voters), compaction: COMPACTION })
console.error(`listens ${node.addresses[0]}`)

for await (const line of createInterface({ input: process.stdin })) {
  const [word, id] = line.split(' ')
  const asked =
    word === 'add'
      ? group.execute({ id: Number(id), pad: PAD }, { timeoutMs: 5_000 }).then(() => 'ok')
      : group.query(null).then(({ answer }) => JSON.stringify(answer))
  console.log(await asked.catch(() => 'no'))
}

// Whoever was to ask it is gone.
await node.stop()
