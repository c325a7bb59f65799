/** Members in processes of their own that are killed and started again on their folders. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Command } from './command.ts'

const ENV = { TESSERA_PASSPHRASE: 'correct horse battery staple' }
let folder = ''
let started: Command[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-test-'))
})
afterEach(async () => {
  await Promise.all(started.map((command) => command.dispose()))
  started = []
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
})

interface Running {
  readonly command: Command
  readonly peer: string
  readonly address: string
}

async function member(number: number, voters: number, bootstrap: readonly string[] = []): Promise<Running> {
  const data = join(folder, String(number))
  const known = bootstrap.flatMap((address) => ['--bootstrap', address])
  const args = ['node', '-i', '--listen', '0', '--data', data, '--voters', String(voters), ...known]
  const command = Command.tesseraWith(ENV, ...args)
  started.push(command)
  const [, peer = '', address = ''] = await command.noteLike(/^peer (\S+) listens on (\S+)/)
  return { command, peer, address }
}

async function members(size: number): Promise<Running[]> {
  const first = await member(1, size)
  const others = Array.from({ length: size - 1 }, (_, at) => member(at + 2, size, [first.address]))
  return [first, ...(await Promise.all(others))]
}

/** Sets one key after the other until it is killed, and tells what was acknowledged. */
async function load({ command }: Running, name: string, keep: (key: string, value: string) => void) {
  for (let n = 0; ; n++) {
    const line = await command.ask(`set ${name}-${n} ${n}`).catch(() => null)
    if (line === null) return
    if (/^ok \d+$/.test(line)) keep(`${name}-${n}`, String(n))
  }
}

describe('five members under load, all killed at once', () => {
  it('bring back everything that was acknowledged, as the members they were', async () => {
    const before = await members(5)
    const kept = new Map<string, string>()
    const killAll = () => {
      for (const { command } of before) process.kill(command.pid, 'SIGKILL')
    }
    const keep = (key: string, value: string) => {
      if (kept.set(key, value).size === 100) killAll()
    }
    await Promise.all(before.map((one, at) => load(one, `client${at}`, keep)))
    await Promise.all(before.map(({ command }) => command.ended))
    const after = await members(5)
    expect(after.map(({ peer }) => peer)).toEqual(before.map(({ peer }) => peer))
    const [reader] = after as [Running]
    for (const [key, value] of kept) expect([key, await reader.command.ask(`get ${key}`)]).toEqual([key, value])
    for (const { command } of after) expect(await command.ask('set again 1')).toMatch(/^ok \d+$/)
  })
})

describe('a member with a folder', () => {
  it('comes back after SIGTERM as it was; after leave it has left', async () => {
    const [first, second, third] = (await members(3)) as [Running, Running, Running]
    expect(await first.command.ask('set a 1')).toMatch(/^ok/)
    third.command.signal('SIGTERM')
    expect(await third.command.ended).toMatchObject({ code: 0 })
    expect(await first.command.ask('set b 2')).toMatch(/^ok/)
    const again = await member(3, 3, [first.address, second.address])
    expect(again.peer).toBe(third.peer)
    expect(await again.command.ask('get b')).toBe('2')
    expect(await again.command.ask('leave')).toBe('left')
    expect(await again.command.run('')).toMatchObject({ code: 0 })
    expect(await second.command.ask('get a')).toBe('1')
  })
})
