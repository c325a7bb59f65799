/**
 * How one field, one message and one family of messages travel: each declared once, as a schema for what arrives, a writer
 * for what leaves, and a reader that turns the one into the other.
 *
 * A message is the array `[tag, ...fields]` in the order of its declaration. The compiler holds a declaration to the
 * message's interface: a field that is missing, unknown or of another type does not compile. What arrives is read only after
 * its schema has accepted it, and what the schema would refuse is not written either.
 */
import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { TesseraError } from '../errors.ts'
import { hexOf } from '../identity/hex.ts'
import { Writer } from './cbor-writer.ts'

export interface Field<T> {
  readonly schema: TSchema
  readonly write: (writer: Writer, value: T) => void
  /** Given only what the schema has accepted. */
  readonly read: (wire: unknown) => T
}

/** A field whose reader knows the type of what its schema accepts. */
export function field<S extends TSchema, T>(
  schema: S,
  write: (writer: Writer, value: T) => void,
  read: (wire: Static<S>) => T,
): Field<T> {
  return { schema, write, read: read as (wire: unknown) => T }
}

export const uintSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

export function bytesSchema(bytesMin: number, bytesMax: number) {
  return Type.Refine(
    Type.Unsafe<Uint8Array>({}),
    (value) => value instanceof Uint8Array && value.length >= bytesMin && value.length <= bytesMax,
    () => (bytesMin === bytesMax ? `must be ${bytesMax} bytes` : `must be ${bytesMin} to ${bytesMax} bytes`),
  )
}

/** A safe unsigned integer, branded or not. */
export function uint<T extends number>(): Field<T> {
  return field(
    uintSchema,
    (writer, value) => writer.uint(value),
    (wire) => wire as T,
  )
}

/** Milliseconds of a clock that may tell fractions, which do not travel. */
export function milliseconds(): Field<number> {
  return field(
    uintSchema,
    (writer, value: number) => writer.uint(Math.floor(value)),
    (wire) => wire,
  )
}

export function boolean(): Field<boolean> {
  return field(
    Type.Boolean(),
    (writer, value: boolean) => writer.boolean(value),
    (wire) => wire,
  )
}

/** One of a few names: its place in their list travels, so the order is part of the protocol. */
export function oneOf<T extends string>(names: readonly T[]): Field<T> {
  return field(
    Type.Integer({ minimum: 0, maximum: names.length - 1 }),
    (writer, value: T) => {
      const place = names.indexOf(value)
      if (place < 0) refuse(`'${value}' is none of ${names.join(', ')}.`)
      writer.uint(place)
    },
    (wire) => names[wire] as T,
  )
}

/** Hex digits in memory, `length` bytes on the wire: ids and digests. */
export function hex<T extends string>(length: number): Field<T> {
  return field(
    bytesSchema(length, length),
    (writer, value) => {
      if (value.length !== length * 2) refuse(`'${value}' is not ${length} bytes in hex.`)
      writer.hex(value)
    },
    (wire) => hexOf(wire) as T,
  )
}

export function bytes(bytesMin: number, bytesMax: number): Field<Uint8Array> {
  return field(
    bytesSchema(bytesMin, bytesMax),
    (writer, value: Uint8Array) => {
      if (value.length < bytesMin || value.length > bytesMax) refuse(`${value.length} bytes where ${bytesMax} may be.`)
      writer.bytes(value)
    },
    (wire) => wire,
  )
}

export function nullable<T>(inner: Field<T>): Field<T | null> {
  return {
    schema: Type.Union([Type.Null(), inner.schema]),
    write: (writer, value) => (value === null ? writer.null() : inner.write(writer, value)),
    read: (wire) => (wire === null ? null : inner.read(wire)),
  }
}

export function list<T>(inner: Field<T>, itemsMax: number): Field<readonly T[]> {
  return field(
    Type.Array(inner.schema, { maxItems: itemsMax }),
    (writer, value: readonly T[]) => {
      if (value.length > itemsMax) refuse(`${value.length} items where ${itemsMax} may be.`)
      writer.array(value.length)
      for (const each of value) inner.write(writer, each)
    },
    (wire) => wire.map(inner.read),
  )
}

/** One field for each property of `T`, in the order in which they travel. */
export type Fields<T, Name extends keyof T = keyof T> = { readonly [K in Name]: Field<T[K]> }

/** A record without a tag: the array of its fields. */
export function record<T extends object>(fields: Fields<T>): Field<T> {
  const parts = partsOf(fields)
  return {
    schema: Type.Tuple(parts.map(([, part]) => part.schema)),
    write: (writer, value) => {
      writer.array(parts.length)
      writeParts(parts, writer, value)
    },
    read: (wire) => readParts<T>(parts, wire as readonly unknown[], 0, {}),
  }
}

type Parts = readonly [string, Field<unknown>][]

/** From here on names and fields are only paired; `Fields` has held them to the message's interface. */
function partsOf(fields: object): Parts {
  return Object.entries(fields as Readonly<Record<string, Field<unknown>>>)
}

function writeParts(parts: Parts, writer: Writer, value: object): void {
  const values = value as Readonly<Record<string, unknown>>
  for (const [name, part] of parts) part.write(writer, values[name])
}

/** `Fields<T>` has a field for each property, so the object that results is a `T`. */
function readParts<T>(parts: Parts, wire: readonly unknown[], skipped: number, result: Record<string, unknown>): T {
  for (let i = 0; i < parts.length; i++) {
    const [name, part] = parts[i]!
    result[name] = part.read(wire[i + skipped])
  }
  return result as T
}

export interface Message<M> {
  readonly tag: number
  readonly write: (writer: Writer, message: M) => void
  /** Throws `InvalidMessage` unless the schema accepts `wire`. */
  readonly read: (wire: readonly unknown[]) => M
}

export function message<M extends { readonly type: string }>(
  tag: number,
  type: M['type'],
  fields: Fields<M, Exclude<keyof M, 'type'>>,
): Message<M> {
  const parts = partsOf(fields)
  const check = checker(
    type,
    Type.Tuple([Type.Literal(tag), ...parts.map(([, part]) => part.schema)]),
    parts.map(([name]) => name),
  )
  return {
    tag,
    write: (writer, value) => {
      writer.array(parts.length + 1)
      writer.uint(tag)
      writeParts(parts, writer, value)
    },
    read: (wire) => {
      check(wire)
      return readParts<M>(parts, wire, 1, { type })
    },
  }
}

/**
 * A check of `wire` against a schema, which throws `InvalidMessage` with the name and the path of what is wrong. Compiled at first
 * use: a process that only dials never pays for what only an acceptor reads.
 */
export function checker(name: string, schema: TSchema, fieldNames: readonly string[]): (wire: unknown) => void {
  let compiled: ReturnType<typeof Compile> | undefined
  return (wire) => {
    compiled ??= Compile(schema)
    if (compiled.Check(wire)) return
    const [first] = compiled.Errors(wire)
    const [, index, ...rest] = first?.instancePath.split('/') ?? []
    const path = index ? [fieldNames[Number(index) - 1] ?? index, ...rest].join('/') : 'message'
    refuse(`${name}: ${path} ${first?.message ?? 'does not match'}.`)
  }
}

export interface Family<M> {
  readonly write: (writer: Writer, message: M) => void
  /** Throws `InvalidMessage` unless `wire` is one of these messages. */
  readonly read: (wire: unknown) => M
}

/** The messages that may come at one place. A message of the union that is not listed does not compile. */
export function family<M extends { readonly type: string }>(
  name: string,
  members: { readonly [T in M['type']]: Message<Extract<M, { readonly type: T }>> },
): Family<M> {
  const byType: Readonly<Record<string, Message<M>>> = members as object as Record<string, Message<M>>
  const byTag = new Map(Object.values(byType).map((member) => [member.tag, member]))
  return {
    write: (writer, value) => byType[value.type]!.write(writer, value),
    read: (wire) => {
      if (!Array.isArray(wire)) refuse(`${name}: not an array.`)
      const member = byTag.get(wire[0])
      if (!member) refuse(`${name}: none has the tag ${typeof wire[0] === 'number' ? wire[0] : typeof wire[0]}.`)
      return member.read(wire)
    },
  }
}

export function refuse(detail: string): never {
  throw new TesseraError('InvalidMessage', { detail })
}

const writer = new Writer()

/** The bytes that `write` writes. Not to be nested: the writer is one. */
export function written(write: (writer: Writer) => void): Uint8Array {
  try {
    write(writer)
    return writer.take()
  } finally {
    writer.reset()
  }
}
