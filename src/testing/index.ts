/** `tessera/testing`: time and network as inputs, for tests of your own. */
export { createMemoryNetwork, type MemoryNetwork, type MemoryNetworkOptions } from '../transport/memory.ts'
export { SimulatedClock, settle } from './simulated-clock.ts'
