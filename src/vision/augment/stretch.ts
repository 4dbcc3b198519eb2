import { type Part, share, within } from './part.ts'

/** Settings of {@link stretch}. */
export interface StretchSettings {
  /** Enlarge one axis by a factor in [1, 1 + `maxStretch`], with probability `pStretch`. */
  maxStretch: number
  pStretch: number
}
/** Wider or higher (fastai 0.7's RandomStretch). */
export const stretch: Part<StretchSettings, { stretchX: number; stretchY: number }> = {
  settings: { maxStretch: within(0, 10, 0), pStretch: share(0.75) },
  unchanged: { stretchX: 1, stretchY: 1 },
  draw({ maxStretch, pStretch }, random) {
    const by = 1 + random.uniform() * maxStretch
    const [on, upright] = [random.chance(pStretch), random.chance(0.5)]
    return { stretchX: on && !upright ? by : 1, stretchY: on && upright ? by : 1 }
  },
  enlarge: ({ stretchX: x, stretchY: y }) => (x === 1 && y === 1 ? undefined : { x, y }),
}
