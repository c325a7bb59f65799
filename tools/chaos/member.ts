/** The process of one member of a chaos run. */
import { serveMember } from './served-member.ts'

serveMember()
