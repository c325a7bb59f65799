/** Who takes part: machines that come, leave, end for a while; and who leads them. Not faults, but they must go well among them. */
import type { SimulatedProcess } from '../simulated-process.ts'
import { type Fault, nothing, type Stage } from './fault.ts'

/** Machines come after the group was formed; any may go again, one at a time, while a majority of the voters stays. */
export const guests: Fault = {
  name: 'guests',
  begin: (stage) => {
    const mayLeave = stage.running.filter((process) => mayGo(stage, process))
    if (mayLeave.length === 0 || stage.chance.flip(0.4)) return stage.join() ? nothing : null
    stage.leave(stage.chance.oneOf(mayLeave))
    return nothing
  },
}

/**
 * Everyone who went before is out of the configuration, the voters that stay and run are a majority of it, and someone stays at an address
 * that all know from the start: else those who all start again at once would not find each other.
 */
export function mayGo({ leader, machines, running }: Stage, process: SimulatedProcess): boolean {
  const configuration = leader?.context?.configuration
  if (!configuration || !process.group) return false
  const { voters } = configuration
  const isFoundElsewhere = machines.some((other) => other !== process && !other.isGuest)
  const isHere = (peer: string): boolean => machines.some((machine) => machine.peer === peer)
  const staying = running.filter(({ peer, group }) => peer !== process.peer && group !== null && voters.includes(peer))
  return isFoundElsewhere && voters.every(isHere) && staying.length > voters.length / 2
}

/** A program that is told to end, and is started again. */
const stop: Fault = {
  name: 'stop',
  begin: ({ chance, running, stop: end }) => {
    const joined = running.filter(({ group }) => group !== null)
    if (joined.length === 0) return null
    end(chance.oneOf(joined))
    return nothing
  },
}

const transfer: Fault = {
  name: 'transfer',
  begin: ({ chance, leader, machines, note }) => {
    if (!leader?.group) return null
    const to = chance.oneOf(machines)
    note(leader.name, `is asked to hand over to ${to.name}`)
    const told = (what: string) => () => note(leader.name, `${what} ${to.name}`)
    leader.group.transferLeadership(to.peer).then(told('has handed over to'), told('has not handed over to'))
    return nothing
  },
}

export const MEMBERSHIP_FAULTS: readonly Fault[] = [guests, stop, transfer]
