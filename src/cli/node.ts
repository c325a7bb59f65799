/**
 * The one place where the command line uses tessera itself: a node with one group, whose state is the store.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { TesseraError } from '../errors.ts'
import {
  createNode,
  type Group,
  GroupKey,
  Identity,
  lmdb,
  memory,
  type NodeOptions,
  type TesseraNode,
} from '../index.ts'
import type { MemberKey, MemberOptions, MemberStatus } from './member.ts'
import type { OwnMember } from './run-node.ts'
import { type Store, store } from './store.ts'

export async function openMember(options: MemberOptions): Promise<OwnMember> {
  const { network, bootstrap, tags, voters, listen, advertise } = options
  const key = groupKey(options.key)
  const node = await createNode({
    network,
    bootstrap,
    tags,
    ...(await kept(options.data)),
    ...(listen !== undefined && { listen }),
    ...(advertise !== undefined && { advertise }),
  })
  try {
    return ownMember(node, node.join({ key, machine: store(), voters }))
  } catch (error) {
    await node.stop()
    throw error
  }
}

/** Who this member is, and where it keeps what it must not forget. */
async function kept(folder: string | undefined): Promise<Pick<NodeOptions, 'identity' | 'storage'>> {
  if (folder === undefined) return { identity: Identity.ephemeral(), storage: memory() }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new TesseraError('InvalidOption', { detail: `The folder for data cannot be made: ${folder}`, cause })
  }
  return { identity: await Identity.fromFile(join(folder, 'identity.key')), storage: lmdb(join(folder, 'log')) }
}

function groupKey(key: MemberKey): GroupKey {
  if ('passphrase' in key) return GroupKey.fromPassphrase(key.passphrase)
  return GroupKey.fromSecret(Buffer.from(key.secret, 'hex'))
}

function ownMember(node: TesseraNode, group: Group<Store>): OwnMember {
  return {
    set: async (key, value) => (await group.execute({ type: 'set', key, value })).index,
    delete: async (key) => (await group.execute({ type: 'delete', key })).index,
    get: async (key) => (await group.query({ type: 'get', key }, { consistency: 'strong' })).answer,
    peek: async (key) => (await group.query({ type: 'get', key }, { consistency: 'weak' })).answer,
    status: async () => statusOf(node, group),
    leave: async () => {
      await group.leave()
      await node.stop()
    },
    stop: () => node.stop(),
    onLeader: (handler) => {
      let known: string | null = null
      const look = ({ leader }: { leader: string | null }) => {
        if (leader === known) return
        known = leader
        handler(leader)
      }
      look(group)
      return group.subscribe(look)
    },
  }
}

function statusOf(node: TesseraNode, group: Group<Store>): MemberStatus {
  const { role, leader, term, committed, applied } = group.status
  const learns = group.members.some((member) => member.peer === node.id && member.role === 'learner')
  return {
    peer: node.id,
    addresses: node.addresses,
    role: role === 'follower' && learns ? 'learner' : role,
    leader,
    term,
    commit: committed,
    applied,
    bonds: [...group.bonds].map(([peer]) => peer),
  }
}
