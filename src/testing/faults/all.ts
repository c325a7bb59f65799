/** All that may go wrong in a simulation. */
import { DISK_FAULTS } from './disk.ts'
import type { Fault } from './fault.ts'
import { MEMBERSHIP_FAULTS } from './membership.ts'
import { NETWORK_FAULTS } from './network.ts'
import { PROCESS_FAULTS } from './process.ts'

export const FAULTS: readonly Fault[] = [...NETWORK_FAULTS, ...PROCESS_FAULTS, ...DISK_FAULTS, ...MEMBERSHIP_FAULTS]
