import { TrainingError } from '../../base/errors.ts'
import { heatColour } from '../../base/heat-colour.ts'
import {
  aten,
  autocast,
  enableGrad,
  fromArray,
  grad,
  keep,
  type nn,
  noGrad,
  scope,
  type Tensor,
} from '../../torch/index.ts'
import type { Network, Precision } from '../../train/network.ts'
import { type Picture, preview } from '../index.ts'
import { resized } from './picture.ts'

/** The regions of a picture that led to a class: one map per picture, 0 to 1. */
export interface HeatMaps {
  /** [N × height × width], at the pictures' size. */
  maps: Float32Array
  height: number
  width: number
  /** The same maps before they were enlarged, [N × rows × columns]. */
  coarse: Float32Array
  rows: number
  columns: number
  /** The net's outputs for each picture, [N × C]. */
  logits: Float32Array
}

/** Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): relu(Σc meanhw(∂y/∂Ac) · Ac) of the last feature map A, over its
 *  highest value; y is the output of each picture's class (or label, or target). x: [N, C, H, W], classes: [N]. It also
 *  works for frozen nets. `at`: use the output of another module, an earlier and finer map. */
export function gradCam(
  network: Pick<Network, 'net' | 'body' | 'device'>,
  x: Tensor,
  classes: ArrayLike<number>,
  { at = network.body, precision = 'float32' }: { at?: nn.Module; precision?: Precision } = {},
): HeatMaps {
  const [n = 0, , height = 0, width = 0] = x.shape
  if (classes.length !== n)
    throw new TrainingError(`gradCam: got ${n} pictures and ${classes.length} classes; expected one class per picture`)
  network.net.eval()
  let leaf: Tensor | undefined
  // The rest of the net gets a copy, so that its in-place operators do not change the map.
  const remove = at.onForward((_, __, output) => {
    leaf?.dispose()
    leaf = keep(output.detach().clone())
    leaf.requiresGrad = true
    return leaf.clone()
  })
  try {
    return scope(() => {
      const logits = enableGrad(() => autocast(precision, () => network.net(x), network).to('float32'))
      if (leaf?.shape.length !== 4)
        throw new TrainingError(
          `gradCam: the module has no feature map [N, C, h, w] (${leaf ? `its output is [${leaf.shape}]` : 'the net does not call it'}); name one of the body`,
        )
      const index = fromArray(
        BigInt64Array.from(classes, c => BigInt(checked(c, logits.shape[1]!))),
        [n, 1],
      ).to('int64', { device: logits.device })
      const [slope] = grad([enableGrad(() => aten.gather(logits, 1, index).sum())], [leaf])
      return noGrad(() => scope(() => heat(leaf!.detach(), slope!, { height, width, logits: logits.detach() })))
    })
  } finally {
    remove()
    leaf?.dispose()
  }
}

function checked(c: number, classes: number): number {
  if (Number.isInteger(c) && c >= 0 && c < classes) return c
  throw new TrainingError(`gradCam: got class ${c}; expected a whole number from 0 to ${classes - 1}`)
}

function heat(
  map: Tensor,
  slope: Tensor,
  { height, width, logits }: { height: number; width: number; logits: Tensor },
): HeatMaps {
  const weight = slope.to('float32').mean([2, 3], { keepdim: true })
  const cam = map.to('float32').mul(weight).sum(1).relu() // [N, h, w]
  const top = aten.clamp_min(aten.amax(cam, { dim: [1, 2], keepdim: true }), 1e-12)
  const coarse = cam.div(top)
  const [, rows, columns] = coarse.shape as [number, number, number]
  const floats = (t: Tensor) => t.to('float32', { device: 'cpu' }).contiguous().data() as Float32Array
  return {
    maps: floats(resized(coarse, height, width)),
    height,
    width,
    coarse: floats(coarse),
    rows,
    columns,
    logits: floats(logits),
  }
}

/** Lays the heat map over its picture; pixels without heat are unchanged. heat: [height × width] of the picture, 0 to
 *  1; `strength`: the share of colour in the hottest pixel. */
export function overlay(picture: Picture, heat: Float32Array, { strength = 0.7 } = {}): Picture & { data: Uint8Array } {
  const { data, height, width } = preview(picture)
  if (heat.length !== height * width)
    throw new TrainingError(
      `overlay: the picture has ${height} x ${width} pixels and the heat map ${heat.length}; expected one value per pixel`,
    )
  const out = new Uint8ClampedArray(data.length)
  for (const [p, v] of heat.entries()) {
    const share = strength * Math.min(1, Math.max(0, v))
    for (const [c, colour] of heatColour(v).entries()) out[3 * p + c] = (1 - share) * data[3 * p + c]! + share * colour
  }
  return { data: new Uint8Array(out.buffer), height, width }
}
