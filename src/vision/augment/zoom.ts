import { type Part, share, within } from './part.ts'

/** Settings of {@link zoom}. */
export interface ZoomSettings {
  /** Enlarge by a factor in [`minZoom`, `maxZoom`], with probability `pZoom`. */
  minZoom: number
  maxZoom: number
  pZoom: number
}
/** Enlargement about the centre (fastai 0.7's RandomZoom). */
export const zoom: Part<ZoomSettings, { zoom: number }> = {
  settings: {
    minZoom: within(0.1, 10, 1),
    maxZoom: within(0.1, 10, 1, { 'side-on': 1.1, 'top-down': 1.05, medical: 1.05 }),
    pZoom: share(0.75),
  },
  ordered: [['minZoom', 'maxZoom']],
  unchanged: { zoom: 1 },
  draw({ minZoom, maxZoom, pZoom }, random) {
    const [at, on] = [random.uniform(), random.chance(pZoom)]
    return { zoom: on ? minZoom + at * (maxZoom - minZoom) : 1 }
  },
  enlarge: ({ zoom }) => (zoom === 1 ? undefined : { x: zoom, y: zoom }),
}
