import { Identity } from '../../src/identity/keys.ts'
import { createMemoryNetwork, type MemoryNetworkOptions } from '../../src/transport/memory.ts'
import { describeTransport } from './conformance.ts'
import { ManualClock } from './manual-clock.ts'
import type { Harness } from './pair.ts'

function harness(options: Omit<MemoryNetworkOptions, 'seed'>): Harness {
  const network = createMemoryNetwork({ seed: 1, ...options })
  let silent = 0
  return {
    transport: () => network.transport(),
    listenAddress: 'memory://',
    deadAddress: 'memory://nobody',
    async silentAddress() {
      const name = `silent-${++silent}`
      const endpoint = network.transport(name).endpoint({ identity: Identity.ephemeral(), clock: new ManualClock() })
      const listener = await endpoint.listen(`memory://${name}`, ['tessera.groups.1'], () => {})
      network.stall(name)
      return listener.addresses[0]!
    },
    dispose: async () => {},
  }
}

describeTransport('memory', () => harness({}))
describeTransport('memory, not encrypted', () => harness({ encrypted: false }))
describeTransport('memory, with delays', () => harness({ encrypted: false, delayMs: { min: 0, max: 3 } }))
