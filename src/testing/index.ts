/** `tessera/testing`: time and network as inputs, for tests of your own. */
export { createMemoryNetwork, type MemoryNetwork, type MemoryNetworkOptions } from '../transport/memory.ts'
export {
  checkLinearizability,
  formatHistory,
  type HistoryOp,
  type HistoryOutcome,
  type LinearizabilityOptions,
  type LinearizabilityVerdict,
  type LinearizabilityViolation,
  parseHistory,
} from './linearizability.ts'
export { SimulatedClock, settle } from './simulated-clock.ts'
export { type SimulationOptions, type SimulationReport, simulate } from './simulation.ts'
export type { Violation } from './violation.ts'
