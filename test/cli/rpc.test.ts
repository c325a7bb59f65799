import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Channel, remoteMember, type ServedMember, serveMember } from '../../src/cli/rpc.ts'
import { TesseraError } from '../../src/errors.ts'
import { CLI } from '../../src/limits.ts'
import { FakeGroup } from './fake-processes.ts'

/** Two ends of one channel; what crosses it is copied, as between processes. */
function channels(): { near: Channel; far: Channel; close(): void } {
  const handlers = { near: [] as ((message: unknown) => void)[], far: [] as ((message: unknown) => void)[] }
  const closers: (() => void)[] = []
  const end = (mine: 'near' | 'far', other: 'near' | 'far'): Channel => ({
    send: (message) => {
      const copy = structuredClone(message)
      queueMicrotask(() => {
        for (const handle of handlers[other]) handle(copy)
      })
    },
    onMessage: (handler) => handlers[mine].push(handler),
    onClose: (handler) => closers.push(handler),
  })
  return { near: end('near', 'far'), far: end('far', 'near'), close: () => closers.forEach((close) => void close()) }
}

function servedBy(member: Partial<ServedMember>) {
  const { near, far, close } = channels()
  serveMember(far, { ...new FakeGroup(1).fork().member, ...member })
  return { remote: remoteMember(near), near, far, close }
}

describe('a member behind a channel', () => {
  it('gives each call its own answer, in whatever order they come', async () => {
    const waiting: ((value: string) => void)[] = []
    const { remote } = servedBy({ get: () => new Promise((resolve) => waiting.push(resolve)) })
    const first = remote.get('a')
    const second = remote.get('b')
    await vi.waitFor(() => expect(waiting).toHaveLength(2))
    waiting[1]?.('B')
    waiting[0]?.('A')
    expect(await Promise.all([first, second])).toEqual(['A', 'B'])
  })

  it('passes arguments and results on', async () => {
    const set = vi.fn(async () => 42)
    expect(await servedBy({ set }).remote.set('key', 'value')).toBe(42)
    expect(set).toHaveBeenCalledWith('key', 'value')
  })

  it('rejects with the error the member raised: its code, its sentence once, whether it may be retried', async () => {
    const raised = new TesseraError('Busy', { detail: 'Seven wait.' })
    const { remote } = servedBy({ get: async () => Promise.reject(raised) })
    const error = await remote.get('a').catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(TesseraError)
    expect(error).toMatchObject({ code: 'Busy', retryable: true, message: raised.message })
  })

  it('rejects with Unexpected where the member raised what is no error of ours', async () => {
    const { remote } = servedBy({ get: async () => Promise.reject(new TypeError('oops')) })
    await expect(remote.get('a')).rejects.toMatchObject({
      code: 'Unexpected',
      message: expect.stringContaining('oops'),
    })
  })

  it('rejects what waits, and all that comes later, once the channel is closed', async () => {
    const { remote, close } = servedBy({ get: () => new Promise(() => undefined) })
    const waiting = expect(remote.get('a')).rejects.toMatchObject({ code: 'NodeDied' })
    close()
    await waiting
    await expect(remote.set('a', '1')).rejects.toMatchObject({ code: 'NodeDied' })
  })

  it('runs nothing for a message that is no request', async () => {
    const get = vi.fn(async () => 'A')
    const { remote, near } = servedBy({ get })
    for (const message of [null, 'get', 7, { method: 'get' }, { request: 1, method: 'constructor', args: [] }])
      near.send(message)
    expect(await remote.get('a')).toBe('A')
    expect(get).toHaveBeenCalledTimes(1)
  })

  describe('that does not answer', () => {
    beforeEach(() => {
      vi.useFakeTimers()
    })
    afterEach(() => {
      vi.useRealTimers()
    })

    it('rejects with DeadlineExceeded at the deadline', async () => {
      const { remote } = servedBy({ status: () => new Promise(() => undefined) })
      const refused = expect(remote.status()).rejects.toMatchObject({ code: 'DeadlineExceeded' })
      await vi.advanceTimersByTimeAsync(CLI.statusTimeoutMs)
      await refused
      expect(vi.getTimerCount()).toBe(0)
    })
  })
})
