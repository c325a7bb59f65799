/**
 * The main job with real processes on real sockets: the built command (`npm run build`), driven through its standard input and output.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { ERRORS, type ErrorCode } from '../../src/errors.ts'
import { Command, isAlive } from './command.ts'

const started: Command[] = []

function demo(...args: string[]): Command {
  return keep(Command.tessera('demo', ...args))
}

function keep(command: Command): Command {
  started.push(command)
  return command
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((command) => command.dispose()))
})

const NODE = 0
const PID = 1
const PEER = 2
const ROLE = 3
const APPLIED = 6

const rowOf = (rows: string[][], node: number) => rows[node - 1] ?? []
const roles = (rows: string[][]) => rows.map((row) => row[ROLE]).sort()
const pids = (rows: string[][]) => rows.map((row) => Number(row[PID]))

/** The code of an error line, which must be one of the table. */
function codeOf(line: string): ErrorCode {
  const [, code = ''] = /^error (\w+) \S/.exec(line) ?? []
  if (!Object.hasOwn(ERRORS, code)) throw new Error(`not an error line: ${line}`)
  return code as ErrorCode
}

const SCRIPT = 'set a 1\nset b 2\nget a\nkill leader\nset c 3\nget a\nget c\nstatus\n'

async function runsTheScript(command: Command): Promise<void> {
  const startMs = performance.now()
  const { code, lines } = await command.run(SCRIPT)
  expect(lines).toEqual([
    expect.stringMatching(/^ok \d+$/),
    expect.stringMatching(/^ok \d+$/),
    '1',
    expect.stringMatching(/^killed [123]$/),
    expect.stringMatching(/^ok \d+$/),
    '1',
    '3',
    expect.stringMatching(/^node +pid +peer +role +term +commit +applied +bonds$/),
    ...[1, 2, 3].map((node) => expect.stringMatching(new RegExp(`^${node} `))),
  ])
  const indices = [0, 1, 4].map((at) => Number(lines[at]?.slice('ok '.length)))
  expect(indices).toEqual([...new Set(indices)].sort((a, b) => a - b))
  const rows = lines.slice(8).map((row) => row.split(/ {2,}/))
  expect(roles(rows)).toEqual(['dead', 'follower', 'leader'])
  expect(rowOf(rows, Number(lines[3]?.slice('killed '.length)))[ROLE]).toBe('dead')
  expect(code).toBe(0)
  expect(performance.now() - startMs).toBeLessThan(20_000)
}

describe('the script of the main job', () => {
  it.each([1, 2, 3])('prints what it must, run %i', async () => {
    await runsTheScript(demo())
  })

  it('does so under npm start', async () => {
    await runsTheScript(keep(new Command('npm', ['start', '--silent'])))
  })
})

describe('the death of a few', () => {
  it('leaves writes going, and the process that start brings is the same member, a voter', async () => {
    const command = demo()
    expect(await command.ask('set a 1')).toMatch(/^ok/)
    const peer = rowOf(await command.status(3), 1)[PEER]
    expect(await command.ask('kill 1')).toBe('killed 1')
    expect(await command.ask('set b 2')).toMatch(/^ok/)
    const before = await command.status(3)
    expect(await command.ask('start 1')).toBe('started 1')
    expect(await command.note()).toContain('comes back as the member it was')
    expect(await command.ask('set c 3')).toMatch(/^ok/)
    expect(await command.ask('wait')).toMatch(/^agreed \d+$/)
    for (const [key, value] of [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ])
      expect(await command.ask(`peek 1 ${key}`)).toBe(value)
    const after = await command.status(3)
    expect(roles(after)).toEqual(['follower', 'follower', 'leader'])
    expect(rowOf(after, 1)[PEER]).toBe(peer)
    expect(new Set(after.map((row) => row[APPLIED])).size).toBe(1)
    expect(new Set([...pids(before), ...pids(after)].filter(Number.isInteger)).size).toBe(3)
    expect(await command.run('')).toMatchObject({ code: 0, lines: [] })
  })

  it('may be a clean farewell', async () => {
    const command = demo()
    const [leader = []] = (await command.status(3)).filter((row) => row[ROLE] === 'leader')
    expect(await command.ask(`leave ${leader[NODE]}`)).toBe(`left ${leader[NODE]}`)
    expect(await command.ask('set a 1')).toMatch(/^ok/)
    const rows = await command.status(3)
    expect(roles(rows)).toEqual(['follower', 'leader', 'left'])
    expect(await command.run('get a\n')).toMatchObject({ code: 0, lines: ['1'] })
  })
})

describe('the death of most', () => {
  it('makes set and get fail with a retryable code, until their processes bring everything back', async () => {
    const command = demo()
    expect(await command.ask('set a 1')).toMatch(/^ok/)
    expect(await command.ask('kill leader')).toMatch(/^killed/)
    expect(await command.ask('kill leader')).toMatch(/^killed/)
    const startMs = performance.now()
    for (const line of ['set a 2', 'get a']) expect(ERRORS[codeOf(await command.ask(line))].retryable).toBe(true)
    expect(performance.now() - startMs).toBeLessThan(25_000)
    const rows = await command.status(3)
    const [survivor = ''] = rows.filter((row) => row[ROLE] !== 'dead').map((row) => row[NODE])
    expect(await command.ask(`peek ${survivor} a`)).toBe('1')
    for (const dead of [1, 2, 3].filter((node) => String(node) !== survivor)) {
      expect(await command.ask(`start ${dead}`)).toBe(`started ${dead}`)
    }
    // The set that failed may have been applied: no more was ever said of it.
    expect(await command.ask('get a')).toMatch(/^[12]$/)
    expect(await command.ask('set a 3')).toMatch(/^ok \d+$/)
    expect(await command.ask('wait')).toMatch(/^agreed \d+$/)
    expect(roles(await command.status(3))).toEqual(['follower', 'follower', 'leader'])
    // Two commands have failed above.
    expect(await command.run('get a\n')).toMatchObject({ code: 1, lines: ['3'] })
  })
})

describe('the folder for data', () => {
  const KEPT = 'set a 1\nkill 1\nset b 2\nstart 1\nwait\n'

  it('keeps the group for the next time', async () => {
    await inFolder(async (folder) => {
      expect(await demo('--data', folder).run(KEPT)).toMatchObject({ code: 0 })
      const again = demo('--data', folder)
      const before = await again.status(3)
      expect(roles(before)).toEqual(['follower', 'follower', 'leader'])
      expect(await again.run('get a\nget b\nset c 3\n')).toMatchObject({
        code: 0,
        lines: ['1', '2', expect.anything()],
      })
      const third = demo('--data', folder)
      const peersOf = (rows: string[][]) => rows.map((row) => row[PEER])
      expect(peersOf(await third.status(3))).toEqual(peersOf(before))
      expect(await third.run('get c\n')).toMatchObject({ code: 0, lines: ['3'] })
    })
  })

  it('is used by one demo at a time', async () => {
    await inFolder(async (folder) => {
      const first = demo('--data', folder)
      expect(await first.ask('set a 1')).toMatch(/^ok/)
      const second = demo('--data', folder)
      expect(await second.note()).toMatch(/^error StorageFailed /)
      expect((await second.ended).code).toBe(1)
      expect(await first.ask('get a')).toBe('1')
    })
  })

  it('is temporary where none is named, and removed at the end', async () => {
    await inFolder(async (folder) => {
      const command = keep(Command.tesseraWith({ TMPDIR: folder }, 'demo'))
      expect(await command.ask('set a 1')).toMatch(/^ok/)
      expect(readdirSync(folder)).toEqual([expect.stringMatching(/^tessera-/)])
      expect(await command.run('')).toMatchObject({ code: 0 })
      expect(readdirSync(folder)).toEqual([])
    })
  })
})

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-test-'))
  try {
    await use(folder)
    await Promise.all(started.splice(0).map((command) => command.dispose()))
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  }
}

it('a command that cannot be done prints an error with its code, and the exit code is 1', async () => {
  const script = [
    'what',
    'set a',
    'get',
    'peek 9 a',
    'start 1',
    'kill 2',
    'kill 2',
    'peek 2 a',
    'set a 1',
    '',
    'get a',
    'get b',
  ]
  const { code, lines } = await demo().run(script.join('\n'))
  const codes = lines.filter((line) => line.startsWith('error')).map(codeOf)
  expect(codes).toEqual([
    'UnknownCommand',
    'InvalidArgument',
    'InvalidArgument',
    'InvalidArgument',
    'NodeRunning',
    'NodeNotRunning',
    'NodeNotRunning',
  ])
  expect(lines.filter((line) => !line.startsWith('error'))).toEqual([
    'killed 2',
    expect.stringMatching(/^ok/),
    '1',
    '(nil)',
  ])
  expect(code).toBe(1)
})

describe('no process and no folder is left', () => {
  it.each([
    ['Ctrl-C', 130, (command: Command) => command.signalGroup('SIGINT')],
    ['SIGINT to the command alone', 130, (command: Command) => command.signal('SIGINT')],
    ['SIGTERM', 143, (command: Command) => command.signal('SIGTERM')],
    ['SIGKILL', null, (command: Command) => command.signal('SIGKILL')],
    ['the end of input', 0, (command: Command) => command.end()],
    ['quit', 0, (command: Command) => command.end('quit\n')],
  ])('after %s', async (_how, code, end) => {
    await inFolder(async (folder) => {
      const command = keep(Command.tesseraWith({ TMPDIR: folder }, 'demo'))
      const members = pids(await command.status(3))
      expect(members.filter(isAlive)).toHaveLength(3)
      end(command)
      expect((await command.ended).code).toBe(code)
      // Who is killed cannot clear its folder away.
      expect(readdirSync(folder)).toHaveLength(code === null ? 1 : 0)
    })
  })

  it('after Ctrl-C while a command waits', async () => {
    const command = demo()
    await command.ask('kill leader')
    await command.ask('kill leader')
    command.ask('set a 1').catch(() => undefined)
    command.signalGroup('SIGINT')
    expect((await command.ended).code).toBe(130)
  })
})

describe('nodes started by hand', () => {
  const ENV = { TESSERA_PASSPHRASE: 'correct horse battery staple' }
  const NODE = ['node', '--listen', '0']

  const byNpx = (...args: string[]) => keep(new Command('npx', ['tessera', ...NODE, ...args], ENV))

  /** Where it listens, which it says first. */
  async function addressOf(command: Command): Promise<string> {
    const [, address = ''] = await command.noteLike(/listens on (\S+)/)
    return address
  }

  it('form a group, and leave it when they are told to', async () => {
    const first = byNpx('-i')
    const bootstrap = await addressOf(first)
    const second = byNpx('-i', '--bootstrap', bootstrap)
    const third = keep(Command.tessera(...NODE, '--bootstrap', bootstrap, '--passphrase', ENV.TESSERA_PASSPHRASE))
    await third.noteLike(/^led by /)
    expect(await first.ask('set a hello world')).toMatch(/^ok \d+$/)
    expect(await second.ask('get a')).toBe('hello world')
    third.signal('SIGTERM')
    expect(await third.ended).toEqual({ code: 0, signal: null })
    expect(await second.ask('set b 2')).toMatch(/^ok \d+$/)
    expect(await first.ask('get b')).toBe('2')
    expect(await second.run('nonsense\nquit\n')).toMatchObject({ code: 1 })
    expect(await first.run('')).toMatchObject({ code: 0 })
  })

  it.each([
    ['InvalidOption', ['--listen', 'http://127.0.0.1']],
    ['InvalidOption', ['--speed', '9']],
    ['InvalidOption', []],
  ])('are told of %s by %j', async (code, args) => {
    const command = Command.tessera('node', '--passphrase', 'x', ...args)
    expect(await keep(command).note()).toMatch(new RegExp(`^error ${code} `))
    expect((await command.ended).code).toBe(1)
  })

  it('are told when their address is in use', async () => {
    const address = await addressOf(keep(Command.tessera(...NODE, '--passphrase', 'x')))
    const command = keep(Command.tessera('node', '--listen', address, '--passphrase', 'x'))
    expect(await command.note()).toMatch(/^error ListenFailed /)
    expect((await command.ended).code).toBe(1)
  })
})
