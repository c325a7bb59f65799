import { describe, expect, it } from 'vitest'
import type { MemberStatus } from '../../src/cli/member.ts'
import { agreedIndex, leadingNode, type NodeReport, statusTable } from '../../src/cli/status.ts'

const peer = (node: number) => String(node).repeat(64)

function running(node: number, status: Partial<MemberStatus> = {}): NodeReport {
  const leads = node === 1
  const defaults = { role: leads ? 'leader' : 'follower', leader: peer(1), term: 2, commit: 7, applied: 7 }
  const bonds = [peer(8), peer(9)]
  return {
    node,
    state: 'running',
    pid: 100 + node,
    status: { peer: peer(node), addresses: [], bonds, ...defaults, ...status },
  }
}

const dead = (node: number): NodeReport => ({ node, state: 'dead', pid: null, status: null })

describe('the node that leads', () => {
  it('is the leader of the newest term: one that was cut off may not have heard yet', () => {
    expect(leadingNode([running(1), running(2, { role: 'leader', term: 3 }), running(3)])).toBe(2)
  })

  it('is none where no node leads', () => {
    expect(leadingNode([running(2), dead(1)])).toBe(null)
  })
})

describe('live nodes agree', () => {
  it('on the index all have applied, whatever the dead knew', () => {
    expect(agreedIndex([running(1), running(2), dead(3)])).toBe(7)
  })

  it.each<[string, NodeReport[]]>([
    ['one has not applied all', [running(1), running(2, { applied: 6 })]],
    ['one has not heard of the commit', [running(1), running(2, { commit: 6, applied: 6 })]],
    ['the leader itself has not applied all', [running(1, { applied: 6 }), running(2)]],
    ['one knows no leader', [running(1), running(2, { leader: null })]],
    ['one follows another leader', [running(1), running(2, { leader: peer(3) })]],
    ['one is of an older term', [running(1), running(2, { term: 1 })]],
    ['the leader is dead', [dead(1), running(2), running(3)]],
    ['one is silent', [running(1), { node: 2, state: 'silent', pid: 102, status: null }]],
    ['none lives', [dead(1), dead(2)]],
  ])('not where %s', (_case, reports) => {
    expect(agreedIndex(reports)).toBe(null)
  })
})

it('the status table has a row for each node, also for those that are gone', () => {
  expect(statusTable([running(1), dead(2), { ...dead(3), state: 'left' }]).split('\n')).toEqual([
    'node  pid  peer        role    term  commit  applied  bonds',
    '1     101  1111111111  leader  2     7       7        2',
    '2     -    -           dead    -     -       -        -',
    '3     -    -           left    -     -       -        -',
  ])
})
