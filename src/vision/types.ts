import type { Item as Labelled } from '../data/types.ts'
import type { Tensor } from '../torch/index.ts'

/** Values of pixels: 0 to 255, 0 to 65535, or floats (1 is white). */
export type Pixels = Uint8Array | Uint16Array | Float32Array

/** One decoded picture, `data: [height, width, channels]`, row-major. */
export interface Picture {
  data: Pixels
  height: number
  width: number
  /** Default: 3 (red, green, blue). */
  channels?: number
  /** The same values as a tensor, if they are kept on the computing device. */
  pixels?: Tensor
}

/** One labelled picture; `picture` is its number in the cache (copies share one). */
export interface Item extends Labelled {
  picture: number
}
