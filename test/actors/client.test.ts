/** A member's client: every call settles with the result of its own command, once, or with an error that says what to do. */
import { describe, expect, it } from 'vitest'
import { Client, type ExecuteOptions } from '../../src/actors/client.ts'
import { Failure } from '../../src/actors/failure.ts'
import type { TesseraError } from '../../src/errors.ts'
import { RAFT } from '../../src/limits.ts'
import type { Commands, Proposal } from '../../src/machines/raft/messages.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { encodeCommand, encodeValue } from '../../src/transport/codec.ts'
import { pack } from '../../src/transport/packed.ts'

type Settled = { i: number; code: string | null; index: number; result: unknown; command: unknown }

function setUp() {
  const clock = new SimulatedClock()
  const offers: (readonly Proposal[])[] = []
  const settled: Settled[] = []
  let names = 0
  const client = new Client({ clock, nonce: () => `nonce-${++names}`, propose: (proposals) => offers.push(proposals) })
  const submit = (commands: unknown[], options: ExecuteOptions = {}, until: 'appended' | 'applied' = 'applied') =>
    client.submit(
      commands.map((command, i) => ({
        command,
        until,
        settle: (error: TesseraError | null, index: number, result: unknown) =>
          settled.push({ i, code: error?.code ?? null, index, result, command: error?.command }),
      })),
      commands.map((command) => encodeCommand(String(command))),
      options,
    )
  /** Of session 7, if nothing else is said. */
  const applied = (sequence: number, index: number, ...results: unknown[]) =>
    client.applied(7, { sequence, index, results })
  /** A client whose session 7 is open, with nothing on its mind. */
  const opened = async () => {
    submit(['first'])
    await clock.advance(0)
    client.sessionOpened('nonce-1', 7)
    applied(1, 8, null)
    offers.length = 0
    settled.length = 0
  }
  const sequences = () =>
    offers.map((offer) =>
      offer.flatMap((p): (string | number)[] => (p.kind === 'session' ? [p.nonce] : sequencesOf(p))),
    )
  return { clock, offers, settled, client, submit, applied, opened, sequences }
}

const sequencesOf = ({ sequence, count }: Commands) => Array.from({ length: count }, (_, i) => sequence + i)

describe('session', () => {
  it('is opened before the first command is offered, and names every command after', async () => {
    const { clock, client, submit, offers } = setUp()
    submit(['a'])
    await clock.advance(0)
    expect(offers).toEqual([[{ kind: 'session', nonce: 'nonce-1' }]])
    client.sessionOpened('nonce-1', 7)
    expect(offers[1]).toMatchObject([{ kind: 'commands', session: 7, sequence: 1, acknowledged: 0 }])
  })

  it('is not opened by the session entry of another member', async () => {
    const { clock, client, submit, offers } = setUp()
    submit(['a'])
    await clock.advance(0)
    client.sessionOpened('of another', 3)
    expect(client.session).toBeNull()
    expect(offers).toHaveLength(1)
  })

  it('that was silent for long is left for a new one, before anything is offered in it', async () => {
    const { clock, client, submit, opened, offers } = setUp()
    await opened()
    await clock.advance(RAFT.sessionIdleMs / 2)
    submit(['later'])
    await clock.advance(0)
    expect(offers).toEqual([[{ kind: 'session', nonce: 'nonce-2' }]])
    client.sessionOpened('nonce-2', 9)
    expect(offers[1]).toMatchObject([{ kind: 'commands', session: 9, sequence: 2 }])
  })

  it('that was used a while ago serves on', async () => {
    const { clock, submit, opened, offers } = setUp()
    await opened()
    await clock.advance(RAFT.sessionIdleMs / 2 - 1)
    submit(['later'])
    await clock.advance(0)
    expect(offers).toMatchObject([[{ kind: 'commands', session: 7, sequence: 2 }]])
  })

  it('that the group forgot fails what was offered in it, and the next command opens another', async () => {
    const { clock, submit, settled, opened, sequences, applied } = setUp()
    await opened()
    submit(['a', 'b'])
    await clock.advance(0)
    applied(2, 9, new Failure('SessionExpired', ''))
    expect(settled.map(({ code, command }) => [code, command])).toEqual([
      ['SessionExpired', 'a'],
      ['SessionExpired', 'b'],
    ])
    submit(['c'])
    await clock.advance(0)
    expect(sequences().at(-1)).toEqual(['nonce-2'])
  })
})

describe('offering', () => {
  it('gathers the commands of one turn into one proposal', async () => {
    const { clock, submit, opened, sequences } = setUp()
    await opened()
    submit(['a'])
    submit(['b', 'c'])
    await clock.advance(0)
    expect(sequences()).toEqual([[2, 3, 4]])
  })

  it('waits for no more of the turn where an entry is full', async () => {
    const { clock, submit, opened, sequences } = setUp()
    await opened()
    const large = 'x'.repeat(RAFT.entryBytesMax / 2)
    submit([large])
    submit(['small'])
    expect(sequences()).toEqual([])
    submit([large])
    submit(['more'])
    expect(sequences()).toEqual([[2, 3]])
    await clock.advance(0)
    expect(sequences()).toEqual([
      [2, 3],
      [4, 5],
    ])
  })

  it('makes an entry of no more commands and bytes than one may have, and one of its own of what has more', async () => {
    const { clock, submit, opened, offers } = setUp()
    await opened()
    submit(Array.from({ length: RAFT.entryCommandsMax + 1 }, () => ''))
    submit(['x'.repeat(2 * RAFT.entryBytesMax)])
    submit(['small'])
    await clock.advance(0)
    const sizes = offers.flat().map((proposal) => (proposal as Commands).count)
    expect(sizes).toEqual([RAFT.entryCommandsMax, 1, 1, 1])
  })

  it('leaves out what was given up, wherever it stands among the others', async () => {
    const { clock, client, submit, opened, offers } = setUp()
    const controller = new AbortController()
    const { signal } = controller
    await opened()
    const commands = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    for (const command of commands) submit([command], 'adg'.includes(command) ? { signal } : {})
    controller.abort()
    await clock.advance(0)
    client.leaderChanged()
    const kept = [
      { sequence: 3, count: 2, packed: pack(['b', 'c'].map(encodeValue)) },
      { sequence: 6, count: 2, packed: pack(['e', 'f'].map(encodeValue)) },
    ]
    expect(offers).toMatchObject([kept, kept])
  })

  it('offers nothing where all was given up meanwhile', async () => {
    const { clock, submit, opened, offers } = setUp()
    await opened()
    const controller = new AbortController()
    submit(['a', 'b'], { signal: controller.signal })
    controller.abort()
    submit(['c'])
    await clock.advance(0)
    expect(offers).toMatchObject([[{ sequence: 4, count: 1, acknowledged: 3 }]])
  })

  it('tells which answers have arrived', async () => {
    const { clock, submit, opened, offers, applied } = setUp()
    await opened()
    submit(['a', 'b', 'c'])
    await clock.advance(0)
    applied(2, 9, 1)
    applied(4, 11, 3)
    submit(['d'])
    await clock.advance(0)
    expect(offers.at(-1)).toMatchObject([{ sequence: 5, acknowledged: 2 }])
  })

  it('offers all that waits to a new leader', async () => {
    const { clock, client, submit, opened, sequences, applied } = setUp()
    await opened()
    submit(['a', 'b'])
    await clock.advance(0)
    applied(2, 9, 1)
    client.leaderChanged()
    expect(sequences()).toEqual([[2, 3], [3]])
  })

  it(`offers again when nothing was answered for ${RAFT.resendMs} ms, and not before`, async () => {
    const { clock, submit, opened, sequences } = setUp()
    await opened()
    submit(['a'])
    await clock.advance(RAFT.resendMs - 1)
    expect(sequences()).toEqual([[2]])
    await clock.advance(101)
    expect(sequences()).toEqual([[2], [2]])
  })
})

describe('a command that was lost on the way', () => {
  it('is offered again though others go on being answered, and the others are not', async () => {
    const { clock, submit, settled, opened, sequences, applied } = setUp()
    await opened()
    submit(['lost'])
    await clock.advance(100)
    for (let sequence = 3; sequence < 7; sequence++) {
      submit(['answered'])
      await clock.advance(400)
      applied(sequence, sequence + 10, null)
    }
    expect(
      sequences()
        .flat()
        .filter((sequence) => sequence === 2).length,
    ).toBeGreaterThan(1)
    expect(
      sequences()
        .flat()
        .filter((sequence) => sequence === 4),
    ).toHaveLength(1)
    applied(2, 30, 'found')
    expect(settled.at(-1)).toMatchObject({ code: null, result: 'found' })
  })
})

describe('settling', () => {
  it('gives each call the result of its own command, in whatever order they are applied', async () => {
    const { clock, submit, settled, opened, applied } = setUp()
    await opened()
    submit(['a', 'b'])
    await clock.advance(0)
    applied(3, 9, 'of b')
    applied(2, 10, 'of a')
    expect(settled).toEqual([
      { i: 1, code: null, index: 9, result: 'of b', command: undefined },
      { i: 0, code: null, index: 10, result: 'of a', command: undefined },
    ])
  })

  it('gives each of those that were applied together its own', async () => {
    const { clock, submit, settled, opened, applied } = setUp()
    await opened()
    submit(['a', 'b', 'c'])
    await clock.advance(0)
    applied(2, 9, 'of a', new Failure('CommandFailed', 'b is bad'), 'of c')
    expect(settled).toEqual([
      { i: 0, code: null, index: 9, result: 'of a', command: undefined },
      { i: 1, code: 'CommandFailed', index: 10, result: undefined, command: 'b' },
      { i: 2, code: null, index: 11, result: 'of c', command: undefined },
    ])
  })

  it('is not moved by another session that took the same sequence', async () => {
    const { clock, client, submit, settled, opened } = setUp()
    await opened()
    submit(['a'])
    await clock.advance(0)
    client.applied(6, { sequence: 2, index: 9, results: ['stolen'] })
    expect(settled).toEqual([])
  })

  it('settles once, though the command is applied twice', async () => {
    const { clock, submit, settled, opened, applied } = setUp()
    await opened()
    submit(['a'])
    await clock.advance(0)
    applied(2, 9, 1)
    applied(2, 12, 1)
    expect(settled).toHaveLength(1)
  })

  it('rejects with what the state machine threw', async () => {
    const { clock, submit, settled, opened, applied } = setUp()
    await opened()
    submit(['a'])
    await clock.advance(0)
    applied(2, 9, new Failure('CommandFailed', 'out of range'))
    expect(settled[0]).toMatchObject({ code: 'CommandFailed', command: 'a' })
  })

  it('settles a fed command when it stands in the log, an executed one only when it is applied', async () => {
    const { clock, client, submit, settled, offers, opened } = setUp()
    await opened()
    submit(['fed'], {}, 'appended')
    submit(['executed'])
    await clock.advance(0)
    client.appended(offers[0]![0] as Commands, 9)
    expect(settled).toEqual([{ i: 0, code: null, index: 9, result: undefined, command: undefined }])
  })
})

describe('giving up', () => {
  it('hands the command back at its deadline', async () => {
    const { clock, submit, settled, opened } = setUp()
    await opened()
    submit(['a'], { timeoutMs: 300 })
    await clock.advance(299)
    expect(settled).toEqual([])
    await clock.advance(101)
    expect(settled).toMatchObject([{ code: 'DeadlineExceeded', command: 'a' }])
  })

  it('stops waiting when its signal fires, and listens to it no longer once settled', async () => {
    const { clock, client, submit, settled, opened, applied } = setUp()
    await opened()
    const controller = new AbortController()
    submit(['a', 'b'], { signal: controller.signal })
    await clock.advance(0)
    applied(2, 9, 1)
    controller.abort()
    expect(settled.map(({ i, code }) => [i, code])).toEqual([
      [0, null],
      [1, 'Aborted'],
    ])
    expect(client.waiting).toBe(0)
  })

  it('refuses a call whose signal has fired already', () => {
    const { submit, settled, offers } = setUp()
    submit(['a'], { signal: AbortSignal.abort() })
    expect(settled).toMatchObject([{ code: 'Aborted', command: 'a' }])
    expect(offers).toEqual([])
  })

  it('rejects all that waits, and all that comes later, when the group is left', async () => {
    const { clock, client, submit, settled, opened } = setUp()
    await opened()
    submit(['a'])
    await clock.advance(0)
    client.stop('NotJoined')
    submit(['b'])
    expect(settled.map(({ code }) => code)).toEqual(['NotJoined', 'NotJoined'])
    expect(clock.nextMs).toBeNull()
  })
})

describe('back-pressure', () => {
  it('hands a new command back when the leader is full, but keeps one that may stand in a log', async () => {
    const { clock, client, submit, settled, opened, offers } = setUp()
    await opened()
    submit(['old'])
    await clock.advance(0)
    client.leaderChanged()
    submit(['new'])
    await clock.advance(0)
    client.refused(offers.flat(), 'Busy')
    expect(settled).toMatchObject([{ code: 'Busy', command: 'new' }])
    expect(client.waiting).toBe(1)
  })

  it('holds at most so many commands and bytes', () => {
    const { client, submit, settled } = setUp()
    submit(Array.from({ length: RAFT.waitingCommandsMax }, () => 'x'))
    expect(settled).toEqual([])
    submit(['one more'])
    expect(settled).toMatchObject([{ code: 'Busy', command: 'one more' }])
    expect(client.waiting).toBe(RAFT.waitingCommandsMax)
  })
})
