/** A bond's link has no life of its own: it goes down with its bond, however that ends. */

import { expect, it } from 'vitest'
import { createActor, createMachine } from 'xstate'
import { type BoundLink, type Reported, withLink } from '../../src/actors/bound-link.ts'
import type { LinkCommand } from '../../src/machines/bond/events.ts'
import { bondMachine } from '../../src/machines/bond/machine.ts'
import { ACCEPTOR, BOND_ID } from '../bond/rig.ts'

class Recorder implements BoundLink {
  readonly heard: (LinkCommand['type'] | 'open' | 'abandon')[] = []
  bond: Reported | null = null
  fails = false

  readonly make = (bond: Reported): BoundLink => {
    this.bond = bond
    return this
  }

  open(): void {
    this.#hear('open')
  }

  handle({ type }: LinkCommand): void {
    this.#hear(type)
  }

  abandon(): void {
    this.heard.push('abandon')
  }

  #hear(what: Recorder['heard'][number]): void {
    this.heard.push(what)
    if (this.fails) throw new Error('as it was told to')
  }
}

const opened = { type: 'link.opened', bondId: BOND_ID } as const

it('is opened by its chart, and reports to it', () => {
  const link = new Recorder()
  const bond = createActor(withLink(bondMachine, link.make), { input: ACCEPTOR }).start()
  link.bond?.send(opened)
  expect(bond.getSnapshot().matches({ handshake: { accepting: 'awaiting' } })).toBe(true)
  bond.send({ type: 'bond.close', reason: 'Cancelled' })
  expect(link.heard).toEqual(['open', 'link.close'])
})

it('hears nothing more of a bond that has ended by itself', () => {
  const link = new Recorder()
  const bond = createActor(withLink(bondMachine, link.make), { input: ACCEPTOR }).start()
  link.bond?.send({ type: 'link.failed' })
  bond.stop()
  expect(link.heard).toEqual(['open'])
})

it('goes down with a bond that is stopped from outside, also by whoever spawned it', () => {
  const [alone, child] = [new Recorder(), new Recorder()]
  createActor(withLink(bondMachine, alone.make), { input: ACCEPTOR }).start().stop()
  const logic = withLink(bondMachine, child.make)
  createActor(createMachine({ invoke: { src: logic, input: ACCEPTOR } }))
    .start()
    .stop()
  expect([alone.heard, child.heard]).toEqual([
    ['open', 'abandon'],
    ['open', 'abandon'],
  ])
})

it.each(['at once', 'later'])('that fails at what it is told, %s, goes down, and so does its bond', (when) => {
  const link = new Recorder()
  link.fails = when === 'at once'
  const bond = createActor(withLink(bondMachine, link.make), { input: ACCEPTOR })
  bond.start()
  link.fails = true
  if (when === 'later') for (const event of [opened, { type: 'bond.peers' } as const]) link.bond?.send(event)
  expect(bond.getSnapshot()).toMatchObject({ status: 'done' })
  expect(link.heard).toContain('abandon')
})
