/**
 * The one place where the command line uses tessera itself: a node with one group, whose state is the store.
 */
import { createNode, type Group, GroupKey, Identity, memory, type TesseraNode } from '../index.ts'
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
    identity: Identity.ephemeral(),
    storage: memory(),
    ...(listen !== undefined && { listen }),
    ...(advertise !== undefined && { advertise }),
  })
  return ownMember(node, node.join({ key, machine: store(), voters }))
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
