/**
 * What a member knows of its group, for those who watch: `group.when`, handles, charts that run a group.
 */
import type { PeerId } from '../identity/keys.ts'

export type Role = 'unformed' | 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'failed'

/** What a group knows of itself; small plain data, new on each change. */
export interface GroupStatus {
  readonly role: Role
  readonly term: number
  readonly leader: PeerId | null
  /** This member holds the log of a formed group. */
  readonly formed: boolean
  readonly committed: number
  readonly applied: number
  readonly lastIndex: number
  /** How often entries that never committed were cut from this member's log. */
  readonly reverted: number
  readonly left: boolean
}

/** Before anything is known. */
export const OFFLINE: GroupStatus = {
  role: 'unformed',
  term: 0,
  leader: null,
  formed: false,
  committed: 0,
  applied: 0,
  lastIndex: 0,
  reverted: 0,
  left: false,
}

/** The state of the raft chart, without what is within it. */
export function roleOf({ value }: { value: unknown }): Role {
  return (typeof value === 'string' ? value : Object.keys(value as object)[0]) as Role
}

/** What changes most often is looked at first. */
export function isSame(a: GroupStatus, b: GroupStatus): boolean {
  const sameLog = a.lastIndex === b.lastIndex && a.committed === b.committed && a.applied === b.applied
  const sameReign = a.leader === b.leader && a.term === b.term && a.role === b.role
  return sameLog && sameReign && a.formed === b.formed && a.reverted === b.reverted && a.left === b.left
}
