/** A property that does not hold, told at the moment a checker sees it. The first one ends a simulation. */
export interface Violation {
  readonly property: string
  readonly detail: string
}

export type Violate = (property: string, detail: string) => void
