/**
 * What the nodes of a demo say of themselves, and what follows from it: who leads, whether all agree, the table.
 */
import { short } from '../identity/digest.ts'
import type { MemberStatus } from './member.ts'
import { table } from './table.ts'

/** `silent`: the process lives but did not answer. */
export type NodeState = 'running' | 'silent' | 'dead' | 'left'

export interface NodeReport {
  readonly node: number
  readonly state: NodeState
  readonly pid: number | null
  /** Null unless running. */
  readonly status: MemberStatus | null
}

/** The number of the node that leads in the newest term, of those that live. */
export function leadingNode(reports: readonly NodeReport[]): number | null {
  let leading: { node: number; term: number } | null = null
  for (const { node, status } of reports) {
    if (status?.role !== 'leader') continue
    if (leading === null || status.term > leading.term) leading = { node, term: status.term }
  }
  return leading?.node ?? null
}

/**
 * The index all live nodes have applied, once they agree: each follows the same leader, who lives and knows it, in the
 * same term, and each has applied all of the same committed log.
 */
export function agreedIndex(reports: readonly NodeReport[]): number | null {
  const live = reports.filter(({ state }) => state === 'running' || state === 'silent')
  const leading = leadingNode(live)
  const leader = live.find(({ node }) => node === leading)?.status
  if (!leader) return null
  const agree = live.every(
    ({ status }) =>
      status !== null &&
      status.leader === leader.peer &&
      status.term === leader.term &&
      status.commit === leader.commit &&
      status.applied === leader.commit,
  )
  return agree ? leader.applied : null
}

const HEAD = ['node', 'pid', 'peer', 'role', 'term', 'commit', 'applied', 'bonds']

export function statusTable(reports: readonly NodeReport[]): string {
  return table(HEAD, reports.map(row))
}

function row({ node, state, pid, status }: NodeReport): string[] {
  const process = [String(node), pid === null ? '-' : String(pid)]
  if (status === null) return [...process, '-', state, '-', '-', '-', '-']
  const { peer, role, term, commit, applied, bonds } = status
  return [...process, short(peer), role, ...[term, commit, applied, bonds.length].map(String)]
}
