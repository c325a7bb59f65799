/** A member of a chaos run that does one thing wrong, named by `WRONG`, so that a test can see it found. */
import { answered, serveMember } from '../../build/tools/chaos/served-member.js'

const WRONG = {
  /** Answers a strong read as a weak one. */
  weakReads: (group, call) =>
    call.type === 'get'
      ? group.query(call, { consistency: 'weak' }).then(({ answer }) => answer)
      : answered(group, call),
  /** Acknowledges some writes it never makes. */
  lostWrites: (group, call) =>
    call.type === 'set' && call.id % 7 === 0 ? Promise.resolve(true) : answered(group, call),
  /** Makes some writes twice, as a retry outside of a session would. */
  doubledWrites: async (group, call) => {
    if (call.type === 'set' && call.id % 7 === 0) await answered(group, call)
    return answered(group, call)
  },
}

serveMember(WRONG[process.env.WRONG])
