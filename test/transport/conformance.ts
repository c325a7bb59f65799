/**
 * What every transport must do, whatever carries it. Each transport's test runs this suite on itself.
 *
 * Deadlines run on a clock that the test moves; everything else waits for what it needs to see, never for time.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CloseReason, TesseraError } from '../../src/errors.ts'
import { digest } from '../../src/identity/digest.ts'
import { Identity } from '../../src/identity/keys.ts'
import { WIRE } from '../../src/limits.ts'
import type { Protocol } from '../../src/transport/transport.ts'
import { type Harness, Pair, Recorded } from './pair.ts'

const GROUPS: Protocol = 'tessera.groups.1'
const DISCOVERY: Protocol = 'tessera.discovery.1'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const strings = (messages: readonly Uint8Array[]): string[] => messages.map((m) => new TextDecoder().decode(m))
/** Bytes whose every place tells where it is. */
function patterned(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >>> 8)
  return bytes
}

async function failure(promise: Promise<unknown>): Promise<TesseraError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(TesseraError)
  return error as TesseraError
}

export function describeTransport(name: string, make: () => Promise<Harness> | Harness): void {
  describe(`transport contract: ${name}`, () => {
    let harness: Harness
    let pair: Pair
    let address: string

    beforeEach(async () => {
      harness = await make()
      pair = new Pair(harness)
      address = await pair.listen(harness.listenAddress)
    })
    afterEach(async () => {
      await pair.close()
      await harness.dispose()
    })

    describe('a link comes to be', () => {
      it('with the peer ids proven at both ends, the protocol, the roles and the topic', async () => {
        const topic = digest('orders')
        const [a, b] = await pair.links(address, { topic, peer: pair.acceptorIdentity.peer })
        expect(a.link).toMatchObject({ peer: pair.acceptorIdentity.peer, role: 'dialler', protocol: GROUPS, topic })
        expect(b.link).toMatchObject({ peer: pair.diallerIdentity.peer, role: 'acceptor', protocol: GROUPS, topic })
      })

      it('without a topic where the dialler names none', async () => {
        const [a, b] = await pair.links(address, { protocol: DISCOVERY })
        expect([a.link.topic, b.link.topic]).toEqual([null, null])
        expect(b.link.protocol).toBe(DISCOVERY)
      })

      it('not when another peer answers than the one expected', async () => {
        const error = await failure(
          pair.dialler.dial(address, { protocol: GROUPS, peer: Identity.fromSeed(new Uint8Array(32).fill(9)).peer }),
        )
        expect(error.code).toBe('DialFailed')
        // The acceptor never had a link from it: the next one is the next dial's.
        const [, b] = await pair.links(address, { topic: digest('second') })
        expect(b.link.topic).toBe(digest('second'))
      })

      it('not where nobody listens', async () => {
        expect((await failure(pair.dialler.dial(harness.deadAddress, { protocol: GROUPS }))).code).toBe('DialFailed')
      })

      it('not for a protocol the listener does not carry, and the reason is InvalidProtocol', async () => {
        const other = new Pair(harness)
        const only = await other.listen(harness.listenAddress, [DISCOVERY])
        const error = await failure(other.dialler.dial(only, { protocol: GROUPS }))
        expect([error.code, error.reason]).toEqual(['DialFailed', 'InvalidProtocol'])
        await other.close()
      })

      it('not twice on one address: ListenFailed', async () => {
        const other = new Pair(harness)
        expect((await failure(other.listen(address))).code).toBe('ListenFailed')
        await other.close()
      })
    })

    describe('dials end in time', () => {
      it('Aborted at once where the signal had fired before', async () => {
        const dial = pair.dialler.dial(address, { protocol: GROUPS, signal: AbortSignal.abort() })
        expect((await failure(dial)).code).toBe('Aborted')
      })

      it('Aborted where the signal fires meanwhile', async () => {
        const controller = new AbortController()
        const dial = pair.dialler.dial(await harness.silentAddress(), { protocol: GROUPS, signal: controller.signal })
        controller.abort()
        expect((await failure(dial)).code).toBe('Aborted')
      })

      it('a signal that fires once the link stands does nothing to it', async () => {
        const controller = new AbortController()
        const [a, b] = await pair.links(address, { signal: controller.signal })
        controller.abort()
        a.link.send(text('still here'))
        expect(strings(await b.received(1))).toEqual(['still here'])
      })

      it('DialFailed at the deadline where the other side says nothing', async () => {
        const silent = await harness.silentAddress()
        const dial = failure(pair.dialler.dial(silent, { protocol: GROUPS }))
        pair.clock.advance(WIRE.dialTimeoutMs)
        expect((await dial).code).toBe('DialFailed')
      })

      it('DialFailed where the endpoint is closed meanwhile, or was before', async () => {
        const dial = failure(pair.dialler.dial(await harness.silentAddress(), { protocol: GROUPS }))
        const down = pair.dialler.close()
        pair.clock.advance(WIRE.closeTimeoutMs)
        await down
        expect((await dial).code).toBe('DialFailed')
        expect((await failure(pair.dialler.dial(address, { protocol: GROUPS }))).code).toBe('DialFailed')
      })
    })

    describe('messages', () => {
      it('arrive in order, both ways', async () => {
        const [a, b] = await pair.links(address)
        const sent = Array.from({ length: 1_000 }, (_, i) => `message ${i}`)
        for (const message of sent) {
          expect(a.link.send(text(message))).toBe(true)
          expect(b.link.send(text(`re: ${message}`))).toBe(true)
        }
        expect(strings(await b.received(1_000))).toEqual(sent)
        expect(strings(await a.received(1_000))).toEqual(sent.map((message) => `re: ${message}`))
      })

      it('of one turn come as one batch', async () => {
        const [a, b] = await pair.links(address)
        for (let i = 0; i < 100; i++) a.link.send(text(`${i}`))
        await b.received(100)
        expect(b.batches).toEqual([100])
      })

      it('leave before the turn is over where there are many bytes of them', async () => {
        const [a, b] = await pair.links(address)
        const quarter = WIRE.turnBytesMax / 4
        for (const bytes of [quarter, quarter, quarter, quarter - 1]) a.link.send(new Uint8Array(bytes))
        expect(a.link.queuedBytes).toBe(WIRE.turnBytesMax - 1)
        const sent = a.link.send(new Uint8Array(1))
        expect([sent, a.link.queuedBytes === WIRE.turnBytesMax]).toEqual([true, false])
        await b.received(5)
      })

      it('are never delivered in the stack of the sender', async () => {
        const [a, b] = await pair.links(address)
        a.link.send(text('x'))
        expect(b.messages).toHaveLength(0)
        await b.received(1)
      })

      it('may be empty', async () => {
        const [a, b] = await pair.links(address)
        a.link.send(new Uint8Array(0))
        a.link.send(text('after'))
        expect(strings(await b.received(2))).toEqual(['', 'after'])
      })

      it('may be as large as the cap once the peer is trusted', async () => {
        const [a, b] = await pair.links(address)
        b.link.trust()
        const large = patterned(WIRE.messageBytesMax)
        expect(a.link.send(large)).toBe(true)
        const [message] = await b.received(1)
        expect(Buffer.compare(message!, large)).toBe(0)
      })

      it('may be as large as the unproven cap before that, and one byte more is a ProtocolViolation', async () => {
        const [a, b] = await pair.links(address)
        a.link.send(patterned(WIRE.unprovenMessageBytesMax))
        expect((await b.received(1))[0]).toHaveLength(WIRE.unprovenMessageBytesMax)
        a.link.send(patterned(WIRE.unprovenMessageBytesMax + 1))
        expect(await b.closed).toEqual({ reason: 'ProtocolViolation', byPeer: false })
        expect(await a.closed).toEqual({ reason: 'ProtocolViolation', byPeer: true })
        expect(b.messages).toHaveLength(1)
      })

      it('of the prompt lane overtake bulk that waits', async () => {
        const [a, b] = await pair.links(address)
        b.link.trust()
        const bulk = patterned(8 * 1024 * 1024)
        a.link.send(bulk, 'bulk')
        a.link.send(text('first'), 'prompt')
        await b.received(1)
        // The bulk is under way and far from done: this one still goes ahead of the rest of it.
        a.link.send(text('second'), 'prompt')
        await b.received(3)
        expect(b.messages.map((message) => message.length)).toEqual([5, 6, bulk.length])
        expect(Buffer.compare(b.messages[2]!, bulk)).toBe(0)
      })

      it('that arrive before there is a handler are kept for it', async () => {
        const dialled = await pair.dialler.dial(address, { protocol: GROUPS })
        const accepted = await pair.accepted()
        const a = new Recorded(dialled)
        a.link.send(text('early'))
        accepted.send(text('ping'))
        await a.received(1)
        const b = new Recorded(accepted)
        expect(strings(await b.received(1))).toEqual(['early'])
      })

      it('that nobody takes are bounded: ProtocolViolation', async () => {
        const dialled = await pair.dialler.dial(address, { protocol: GROUPS })
        const a = new Recorded(dialled)
        for (let i = 0; i < 20_000; i++) a.link.send(new Uint8Array(0))
        expect(await a.closed).toEqual({ reason: 'ProtocolViolation', byPeer: true })
      })
    })

    describe('shared random', () => {
      it('is the same at both ends, another for each label and each link', async () => {
        const [a, b] = await pair.links(address)
        const [c, d] = await pair.links(address)
        const values = [a, b, c, d].map(({ link }) => Buffer.from(link.sharedRandom('bond')).toString('hex'))
        expect(values[0]).toHaveLength(64)
        expect(values[0]).toBe(values[1])
        expect(values[2]).toBe(values[3])
        expect(values[0]).not.toBe(values[2])
        expect(Buffer.from(a.link.sharedRandom('other')).toString('hex')).not.toBe(values[0])
      })
    })

    describe('the end', () => {
      const reasons: CloseReason[] = ['Departed', 'NotAllowed', 'AlreadyBonded', 'GracefulShutdown', 'Success']
      it.each(reasons)('%s travels from the dialler to the acceptor', async (reason) => {
        const [a, b] = await pair.links(address)
        await a.link.close(reason)
        expect(await a.closed).toEqual({ reason, byPeer: false })
        expect(await b.closed).toEqual({ reason, byPeer: true })
      })

      it('travels from the acceptor to the dialler', async () => {
        const [a, b] = await pair.links(address)
        await b.link.close('UnknownPeer')
        expect(await a.closed).toEqual({ reason: 'UnknownPeer', byPeer: true })
      })

      it('comes after everything that was sent before it', async () => {
        const [a, b] = await pair.links(address)
        b.link.trust()
        const large = patterned(5_000_000)
        a.link.send(large, 'bulk')
        a.link.send(text('last'))
        void a.link.close('Departed')
        expect(await b.closed).toEqual({ reason: 'Departed', byPeer: true })
        expect(b.messages.map((message) => message.length).sort()).toEqual([4, 5_000_000])
      })

      it('is told once, however often it is asked for, and the first reason stands', async () => {
        const [a, b] = await pair.links(address)
        await Promise.all([a.link.close('Departed'), a.link.close('NotAllowed'), b.link.close('Timeout')])
        await a.link.close('Success')
        expect((await a.closed).reason).toBe('Departed')
        await b.closed
        expect([a.closings, b.closings]).toEqual([1, 1])
      })

      it('takes no more messages', async () => {
        const [a] = await pair.links(address)
        const down = a.link.close('Departed')
        expect(a.link.send(text('too late'))).toBe(false)
        await down
        expect(a.link.send(text('too late'))).toBe(false)
      })

      it('is told to a handler that comes late', async () => {
        const dialled = await pair.dialler.dial(address, { protocol: GROUPS })
        const b = new Recorded(await pair.accepted())
        await b.link.close('Departed')
        await dialled.close('Success')
        expect((await new Recorded(dialled).closed).reason).toBe('Departed')
      })

      it('of a listener leaves its links alone and frees its address', async () => {
        const [a, b] = await pair.links(address)
        await pair.listener!.close()
        a.link.send(text('still here'))
        expect(strings(await b.received(1))).toEqual(['still here'])
        expect((await failure(pair.dialler.dial(address, { protocol: GROUPS }))).code).toBe('DialFailed')
        expect(await pair.listen(address)).toBe(address)
        await pair.links(address)
      })

      it('of an endpoint closes its links GracefulShutdown and its listeners', async () => {
        const [a, b] = await pair.links(address)
        await pair.acceptor.close()
        expect(await a.closed).toEqual({ reason: 'GracefulShutdown', byPeer: true })
        expect(await b.closed).toEqual({ reason: 'GracefulShutdown', byPeer: false })
        expect((await failure(pair.dialler.dial(address, { protocol: GROUPS }))).code).toBe('DialFailed')
      })
    })

    describe('back-pressure', () => {
      it('send refuses what would pass the budget of the link, and other links do not feel it', async () => {
        const [a] = await pair.links(address)
        const [c, d] = await pair.links(address)
        const mebibyte = new Uint8Array(1024 * 1024)
        let queued = 0
        while (a.link.send(mebibyte, 'bulk')) queued++
        // Some is in frames already, which count as well, and the operating system may have taken some more.
        expect(queued).toBeGreaterThanOrEqual(WIRE.linkQueueBytesMax / mebibyte.length - 1)
        expect(a.link.queuedBytes).toBeLessThanOrEqual(WIRE.linkQueueBytesMax)
        expect(a.link.queuedBytes).toBeGreaterThan(WIRE.linkQueueBytesMax - mebibyte.length)
        c.link.send(text('unharmed'))
        expect(strings(await d.received(1))).toEqual(['unharmed'])
      })

      it('send accepts again once the peer has read', async () => {
        const [a, b] = await pair.links(address)
        b.link.trust()
        const mebibyte = new Uint8Array(1024 * 1024)
        let queued = 0
        while (a.link.send(mebibyte, 'bulk')) queued++
        await b.received(queued)
        a.link.send(text('again'))
        expect(strings((await b.received(queued + 1)).slice(queued))).toEqual(['again'])
      })
    })

    describe('unproven links', () => {
      it('hold a slot until they are trusted or gone; past the last slot dials fail', async () => {
        const all = Array.from({ length: WIRE.unprovenLinksMax }, () => pair.links(address))
        const accepted = (await Promise.all(all)).map(([, { link }]) => link)
        expect((await failure(pair.dialler.dial(address, { protocol: GROUPS }))).code).toBe('DialFailed')
        accepted[0]!.trust()
        await pair.links(address)
        expect((await failure(pair.dialler.dial(address, { protocol: GROUPS }))).code).toBe('DialFailed')
        await accepted[1]!.close('Timeout')
        await pair.links(address)
      })
    })
  })
}
