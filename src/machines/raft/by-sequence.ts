/**
 * Values by sequence number: they come in order, nearly, and go in order, nearly, a thousand times in a turn under load.
 *
 * Pages of a few places each, of which only those with something in them are kept: a sequence that jumps ahead costs one page, and what
 * comes and goes leaves no trace. A `Map` of all would do, but it grows into a new table each time its places are used up, and once a
 * collector has moved an old table among the old objects, all that ever stood in the tables after it lives on with it.
 *
 * Mutable, for speed; has one owner.
 */
const PAGE = 64
/** Of a place where nothing stands. */
const NOTHING: unique symbol = Symbol('nothing')

interface Page<T> {
  readonly places: (T | typeof NOTHING)[]
  used: number
}

export class BySequence<T> {
  /** By the number of the page. */
  readonly #pages = new Map<number, Page<T>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  has(sequence: number): boolean {
    return this.#at(sequence) !== NOTHING
  }

  get(sequence: number): T | undefined {
    const value = this.#at(sequence)
    return value === NOTHING ? undefined : value
  }

  set(sequence: number, value: T): void {
    const page = this.#pageOf(Math.floor(sequence / PAGE))
    const place = sequence % PAGE
    if (page.places[place] === NOTHING) {
      page.used++
      this.#size++
    }
    page.places[place] = value
  }

  /** Whether it was there. */
  delete(sequence: number): boolean {
    const number = Math.floor(sequence / PAGE)
    const page = this.#pages.get(number)
    return page !== undefined && this.#clear(number, page, sequence % PAGE)
  }

  /** Forgets all up to `sequence`, in time for what is there, however far that is. */
  deleteUpTo(sequence: number): void {
    for (const [number, page] of this.#pages) {
      const end = Math.min(PAGE, sequence + 1 - number * PAGE)
      for (let place = 0; place < end; place++) this.#clear(number, page, place)
    }
  }

  /** The first of those that came in order. */
  get first(): number | undefined {
    for (const [number, { places }] of this.#pages)
      return number * PAGE + places.findIndex((value) => value !== NOTHING)
    return undefined
  }

  /** In order, where they came in order. */
  entries(): [sequence: number, value: T][] {
    const entries: [number, T][] = []
    for (const [number, { places }] of this.#pages)
      for (const [place, value] of places.entries()) if (value !== NOTHING) entries.push([number * PAGE + place, value])
    return entries
  }

  #at(sequence: number): T | typeof NOTHING {
    const page = this.#pages.get(Math.floor(sequence / PAGE))
    return page === undefined ? NOTHING : page.places[sequence % PAGE]!
  }

  #clear(number: number, page: Page<T>, place: number): boolean {
    if (page.places[place] === NOTHING) return false
    page.places[place] = NOTHING
    this.#size--
    if (--page.used === 0) this.#pages.delete(number)
    return true
  }

  #pageOf(number: number): Page<T> {
    const known = this.#pages.get(number)
    if (known) return known
    const page: Page<T> = { places: new Array<T | typeof NOTHING>(PAGE).fill(NOTHING), used: 0 }
    this.#pages.set(number, page)
    return page
  }
}
