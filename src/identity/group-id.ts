/**
 * Group ids: the secret's hash derived with all that the members must have in common. Any difference gives another id, so
 * nodes that do not match cannot bond by accident.
 *
 * Each step hashes 32 bytes followed by one part, and the first two steps are always there, so no two different settings
 * meet in one id.
 */
import type { RaftTiming } from '../limits.ts'
import { derive, type GroupId } from './digest.ts'
import type { GroupKey } from './group-key.ts'
import type { TicketValidator } from './ticket.ts'

export interface GroupSettings {
  readonly timing: RaftTiming
  readonly machine: { readonly id: string; readonly version: number }
  /** Order counts. */
  readonly validators: readonly Pick<TicketValidator, 'signature'>[]
}

export function groupId(key: GroupKey, { timing, machine, validators }: GroupSettings): GroupId {
  const parts = [
    `raft ${timing.electionTimeoutMs} ${timing.electionJitterMs} ${timing.heartbeatIntervalMs}`,
    `${machine.id}@${machine.version}`,
    ...validators.map(({ signature }) => signature),
  ]
  return parts.reduce<GroupId>((id, part) => derive(id, part), key.fingerprint())
}
