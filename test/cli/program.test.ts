import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { program } from '../../src/cli/program.ts'

const SECRET = { TESSERA_PASSPHRASE: 'secret' }

async function run(line: string, env: NodeJS.ProcessEnv = SECRET, atTerminal = false) {
  const actions = {
    demo: vi.fn(async () => undefined),
    node: vi.fn(async () => undefined),
    member: vi.fn(async () => undefined),
  }
  await program(actions, env, atTerminal).parseAsync(line.split(' '), { from: 'user' })
  return actions
}

async function nodeOptions(line: string, env?: NodeJS.ProcessEnv): Promise<Record<string, unknown>> {
  const { node } = await run(line, env)
  const [options] = node.mock.calls[0] as unknown as [Record<string, unknown>]
  return options
}

describe('tessera demo', () => {
  it.each([
    ['demo', { nodes: 3, voters: 3 }],
    ['demo --nodes 1', { nodes: 1, voters: 1 }],
    ['demo --nodes 4', { nodes: 4, voters: 3 }],
    ['demo --nodes 7', { nodes: 7, voters: 5 }],
    ['demo --nodes 7 --voters 7', { nodes: 7, voters: 7 }],
  ])('%j starts %j', async (line, options) => {
    expect((await run(line)).demo).toHaveBeenCalledExactlyOnceWith(options)
  })

  it.each(['demo --nodes 0', 'demo --nodes three', 'demo --nodes 1000', 'demo --voters 4', 'demo --voters 0'])(
    '%j is refused as InvalidOption',
    async (line) => {
      await expect(run(line)).rejects.toMatchObject({ code: 'InvalidOption' })
    },
  )
})

describe('tessera node', () => {
  it('takes addresses whole or short, and repeated options in order', async () => {
    expect(
      await nodeOptions(
        'node --listen 7001 --bootstrap 7002 --bootstrap host:7003 --advertise wss://example.org/x --tag a --tag b',
      ),
    ).toEqual({
      network: 'tessera',
      key: { passphrase: 'secret' },
      voters: 3,
      listen: 'ws://127.0.0.1:7001',
      bootstrap: ['ws://127.0.0.1:7002', 'ws://host:7003'],
      advertise: ['wss://example.org/x'],
      tags: ['a', 'b'],
    })
  })

  it('leaves out what was not given', async () => {
    const options = await nodeOptions('node --bootstrap 7002 --voters 1 --network other')
    expect(options).toEqual({
      network: 'other',
      key: { passphrase: 'secret' },
      voters: 1,
      bootstrap: ['ws://127.0.0.1:7002'],
      tags: [],
    })
  })

  it('takes the folder of its data whole, and none that has no name', async () => {
    const { data } = await nodeOptions('node --listen 1 --data some/where')
    expect(data).toBe(resolve('some/where'))
    await expect(run('node --listen 1 --data ')).rejects.toThrow()
  })

  it('reads the passphrase from an option or a file before the environment', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tessera-'))
    const path = join(directory, 'secret')
    writeFileSync(path, ' from a file \n')
    try {
      expect(await nodeOptions(`node --listen 1 --passphrase-file ${path}`)).toMatchObject({
        key: { passphrase: ' from a file ' },
      })
      expect(await nodeOptions('node --listen 1 --passphrase typed')).toMatchObject({ key: { passphrase: 'typed' } })
      await expect(run(`node --listen 1 --passphrase a --passphrase-file ${path}`)).rejects.toThrow('not both')
    } finally {
      rmSync(directory, { recursive: true })
    }
    await expect(run(`node --listen 1 --passphrase-file ${path}`)).rejects.toMatchObject({ code: 'InvalidOption' })
  })

  it.each([
    ['node --listen 7001', {}],
    ['node --listen 7001', { TESSERA_PASSPHRASE: '' }],
    ['node', SECRET],
    ['node --listen http://127.0.0.1', SECRET],
    ['node --listen ws://', SECRET],
    ['node --listen 7001 --bootstrap nowhere:x', SECRET],
    ['node --listen 7001 --voters many', SECRET],
  ])('%j with %j is refused as InvalidOption', async (line, env) => {
    await expect(run(line, env)).rejects.toMatchObject({ code: 'InvalidOption' })
  })

  it.each([
    ['node --listen 7001', false, false],
    ['node --listen 7001', true, true],
    ['node --listen 7001 -i', false, true],
  ])('%j at a terminal (%s) reads commands: %s', async (line, atTerminal, session) => {
    expect((await run(line, SECRET, atTerminal)).node).toHaveBeenCalledExactlyOnceWith(expect.anything(), session)
  })
})
