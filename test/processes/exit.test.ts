/** Nothing of a node outlives it: a program that stops its nodes ends by itself, with no timer, socket or server holding it. */
import { describe, expect, it } from 'vitest'
import { Command } from './command.ts'

const PRELUDE = `
  import { createNode, GroupKey } from 'tessera'
  const machine = () => ({ id: 'none', version: 1, apply: () => 1, query: () => 1, *snapshot() {}, restore() {} })
  const network = 'exit', listen = 'ws://127.0.0.1:0', key = GroupKey.random()
  const done = (what) => { console.log(what); performance.mark('done'); process.on('exit', () => {
    console.log(Math.round(performance.measure('after', 'done').duration) < 1000)
  }) }
`

const PROGRAMS: Record<string, string> = {
  'a node that never joined': `
    const node = await createNode({ network, listen })
    await node.stop()
    done('stopped')`,
  'a node whose only bootstrap address answers nobody': `
    const node = await createNode({ network, bootstrap: ['ws://127.0.0.1:9'] })
    node.join({ key, machine: machine() })
    await node.stop()
    done('stopped')`,
  'a group of three that executed, and was left and stopped': `
    const first = await createNode({ network, listen })
    const more = () => createNode({ network, listen, bootstrap: first.addresses })
    const nodes = [first, await more(), await more()]
    const groups = nodes.map((node) => node.join({ key, machine: machine(), voters: 3 }))
    await Promise.all(groups.map((group) => group.when.online()))
    await groups[1].executeMany([1, 2, 3])
    await groups[2].query(1)
    const waiting = [groups[0].when.offline(), groups[0].bonds.changed(), groups[0].when.committed.reaches(1e9)]
    const never = Promise.allSettled(waiting)
    await groups[1].leave()
    await Promise.all(nodes.map((node) => node.stop()))
    await never
    done('stopped')`,
  'a node that could not listen': `
    const node = await createNode({ network, listen })
    const failed = await createNode({ network, listen: [listen, node.addresses[0]] }).catch(({ code }) => code)
    await node.stop()
    done(failed)`,
  'a node that was given up while it started': `
    const failed = await createNode({ network, listen, signal: AbortSignal.timeout(0) }).then((node) => node.stop(), ({ code }) => code)
    done(failed ?? 'Aborted')`,
}

describe('a program ends by itself after', () => {
  it.each(Object.entries(PROGRAMS))('%s', async (name, program) => {
    const command = new Command(process.execPath, ['--input-type=module'])
    try {
      const { code, lines } = await command.run(PRELUDE + program)
      const said = name.includes('could not listen')
        ? 'ListenFailed'
        : name.includes('given up')
          ? 'Aborted'
          : 'stopped'
      expect(lines).toEqual([said, 'true'])
      expect(code).toBe(0)
    } finally {
      await command.dispose()
    }
  })
})
