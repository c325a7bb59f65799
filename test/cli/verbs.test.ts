import { describe, expect, it } from 'vitest'
import { complete, isQuit, perform, type Verbs } from '../../src/cli/verbs.ts'

const verbs: Verbs = {
  set: { takes: ['key', 'value'], takesRest: true, does: 'sets', run: async (...args) => JSON.stringify(args) },
  get: { takes: ['key'], does: 'reads', run: async (...args) => JSON.stringify(args) },
  kill: { takes: ['n|leader'], does: 'kills', completes: ['1', '2', 'leader'], run: async () => 'killed' },
  status: { takes: [], does: 'shows', run: async () => 'table' },
}

describe('a line', () => {
  it.each([
    ['get a', '["a"]'],
    ['  get \t a  ', '["a"]'],
    ['set a 1', '["a","1"]'],
    ['set a  hello  world ', '["a","hello  world"]'],
    ['status', 'table'],
  ])('%j runs as %s', async (line, printed) => {
    expect(await perform(verbs, line)).toBe(printed)
  })

  it.each([
    ['nonsense', 'UnknownCommand'],
    ['GET a', 'UnknownCommand'],
    ['constructor', 'UnknownCommand'],
    ['get', 'InvalidArgument'],
    ['get a b', 'InvalidArgument'],
    ['set a', 'InvalidArgument'],
    ['set', 'InvalidArgument'],
    ['status now', 'InvalidArgument'],
  ])('%j is refused as %s', async (line, code) => {
    await expect(perform(verbs, line)).rejects.toMatchObject({ code })
  })

  it('with wrong arguments is answered by the usage', async () => {
    await expect(perform(verbs, 'set a')).rejects.toThrow('Usage: set <key> <value>')
  })

  it('quit is told apart from every other', () => {
    expect([' quit ', 'quit', 'quits', 'q', ''].map(isQuit)).toEqual([true, true, false, false, false])
  })

  it('help names every verb with its usage, quit and help', async () => {
    const lines = (await perform(verbs, 'help')).split('\n').map((line) => line.split(/ {2,}/))
    expect(lines).toEqual([
      ['set <key> <value>', 'sets'],
      ['get <key>', 'reads'],
      ['kill <n|leader>', 'kills'],
      ['status', 'shows'],
      ['quit', 'ends the session'],
      ['help', 'prints this list'],
    ])
  })
})

describe('completion', () => {
  it.each([
    ['s', ['set ', 'status '], 's'],
    ['', ['set ', 'get ', 'kill ', 'status ', 'quit ', 'help '], ''],
    ['kill ', ['1', '2', 'leader'], ''],
    ['kill l', ['leader'], 'l'],
    ['get a', [], 'a'],
    ['constructor ', [], ''],
  ])('of %j offers %j', (line, offers, replaced) => {
    expect(complete(verbs, line)).toEqual([offers, replaced])
  })
})
