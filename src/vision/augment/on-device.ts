import { aten, cat, freeMemory, fromArray, keep, noGrad, scope, type Tensor } from '../../torch/index.ts'
import type { Picture } from '../types.ts'
import type { Seen } from './kernel.ts'
import { lightingOf, lit } from './lighting.ts'
import type { Change } from './list.ts'
import { placed, source } from './view.ts'

/** Whether pictures of a batch of `of` channels are seen together on a device: 8-bit ones, grey or as many channels. */
export const isSeenTogether = ({ data, channels = 3 }: Picture, of: number): boolean =>
  data instanceof Uint8Array && (channels === of || channels === 1)

/** What counts as free where libtorch does not tell: little of any GPU, in bytes. */
const assumedFree = 4 * 2 ** 30

/** Pictures by number, whose 8-bit pixels go to a device once and stay there, while they fill no more than half of what
 *  was free on it; further ones go there for each batch. */
export function keptOn(device: string, picture: (number: number) => Picture): (number: number) => Picture {
  const kept = new Map<number, Tensor>()
  let room = (freeMemory(device) ?? assumedFree) / 2
  return number => {
    const shown = picture(number)
    if (!(shown.data instanceof Uint8Array)) return shown
    let pixels = kept.get(number)
    if (!pixels && shown.data.length <= room) {
      pixels = noGrad(() => scope(() => keep(source(shown, device))))
      kept.set(number, pixels)
      room -= shown.data.length
    }
    return pixels ? { ...shown, pixels } : shown
  }
}

/** Writes pictures into their rows of a batch on a device: sampled, lit and normalised by a few operators for all pictures at once,
 *  with the results of `view`, `lit` and the normalisation. rows: float32 [N, size, size, C]; mean and std: one number for each
 *  channel. */
export function viewsOnDevice(
  rows: Tensor,
  seen: readonly Seen[],
  options: { size: number; short?: number; mean: readonly number[]; std: readonly number[] },
): void {
  const { device } = rows
  const placings = seen.map(one => ({ ...one, ...placed(one.change, { ...one.picture, ...options }) }))
  // What is sampled is of one type and as many channels, and lies in one piece of memory.
  const groups = new Map<string, (typeof placings)[number][]>()
  for (const one of placings) {
    const averaged = 'blocks' in one && Math.max(...one.blocks) > 1
    const key = `${one.picture.channels ?? 3} ${averaged} ${one.change.pad}`
    const group = groups.get(key)
    if (group) group.push(one)
    else groups.set(key, [one])
  }
  for (const group of groups.values())
    scope(() => {
      const channels = rows.shape[3]!
      const x = sampledTogether(group, options.size, device)
      const shown = lit(
        x,
        group.map(({ change }) => lightingOf(change, x.shape[3]!)),
        { black: 0, white: 255 },
      )
      const row = (values: readonly number[]) => on(device, values, [channels])
      const scale = row(options.std.map(v => 1 / (255 * v)))
      const shift = row(options.std.map((v, c) => -options.mean[c]! / v))
      const made = shown.mul(scale).add_(shift) // a grey picture in all channels
      const at = fromArray(
        BigInt64Array.from(group, ({ row }) => BigInt(row)),
        [group.length],
      )
      aten.index_copy_(rows, 0, at.to('int64', { device }), made)
    })
}

type Placed = Seen & ReturnType<typeof placed>

const on = (device: string, values: readonly number[], shape: number[]): Tensor =>
  fromArray(Float32Array.from(values), shape).to('float32', { device })

/** What the crops show, in the pictures' values: float32 [n, size, size, C]; all pictures of C channels and one padding. */
function sampledTogether(group: readonly Placed[], size: number, device: string): Tensor {
  const channels = group[0]!.picture.channels ?? 3
  const sources = group.map(one => {
    const x = one.picture.pixels ?? source(one.picture, device)
    const blocks = 'blocks' in one ? one.blocks : [1, 1]
    if (Math.max(...blocks) === 1) return x
    const means = aten.avg_pool2d(x.to('float32').permute(2, 0, 1).unsqueeze(0), blocks, { ceil_mode: true })
    return means.squeeze(0).permute(1, 2, 0).contiguous()
  })
  const memory = cat(sources.map(x => x.reshape(-1, channels))) // [pixels of all, C]
  const heights = sources.map(x => x.shape[0]!)
  const widths = sources.map(x => x.shape[1]!)
  const each = (values: readonly number[]) => on(device, values, [group.length, 1, 1])
  const [h, w] = [each(heights), each(widths)]

  // A pixel (j, i) of the crop looks at (X / D - 1/2, Y / D - 1/2), where X, Y and D are linear in j and i.
  const maps = group.map((one, k) => pixelMap(one, { size, height: heights[k]!, width: widths[k]! }))
  const steps = on(
    device,
    Array.from({ length: size }, (_, i) => i),
    [size],
  )
  const plane = (p: number) => {
    const [a, b, c] = [0, 1, 2].map(k => each(maps.map(m => m[3 * p + k]!))) as [Tensor, Tensor, Tensor]
    return a
      .mul(steps.reshape(1, 1, size))
      .add_(c)
      .add(b.mul(steps.reshape(1, size, 1))) // [n, size, size]
  }
  const [X, Y] = [plane(0), plane(1)]
  if (maps.some(m => m[6] !== 0 || m[7] !== 0)) {
    const D = plane(2)
    aten.div_(X, D)
    aten.div_(Y, D)
  }
  const { pad } = group[0]!.change
  const [x, y] = [placesOn(X.add_(-0.5), w, pad), placesOn(Y.add_(-0.5), h, pad)]

  let offset = 0
  const offsets = sources.map((_, k) => {
    const at = offset
    offset += heights[k]! * widths[k]!
    return BigInt(at)
  })
  const start = fromArray(BigInt64Array.from(offsets), [group.length, 1, 1]).to('int64', { device })
  const wide = w.to('int64')
  const line = (row: Tensor) => row.mul(wide).add_(start)
  const upper = line(y.first)
  const lower = line(y.second)
  const n = group.length
  const mixed = (row: Tensor, column: Tensor, weight: Tensor): Tensor =>
    memory.indexSelect(0, row.add(column).flatten()).reshape(n, size, size, channels).mul(weight.unsqueeze(3))
  const left = mixed(upper, x.first, y.near).add_(mixed(lower, x.first, y.far))
  const right = mixed(upper, x.second, y.near).add_(mixed(lower, x.second, y.far))
  return left.mul_(x.near.unsqueeze(3)).add_(right.mul_(x.far.unsqueeze(3)))
}

/** The map of a crop's pixel (j, i, 1) to (X, Y, D) in pixels of its source, half a pixel further than their centres. */
function pixelMap(
  placing: ReturnType<typeof placed>,
  { size, height, width }: { size: number; height: number; width: number },
): number[] {
  if ('top' in placing) return [1, 0, placing.left + 0.5, 0, 1, placing.top + 0.5, 0, 0, 1]
  const m = placing.map
  // Normalised coordinates of the crop are (2 j + 1) / size - 1; those of the source (2 x + 1) / width - 1.
  const inCrop = (p: number) => {
    const [a, b, c] = [m[3 * p]!, m[3 * p + 1]!, m[3 * p + 2]!]
    return [(2 * a) / size, (2 * b) / size, (a + b) * (1 / size - 1) + c] as const
  }
  const [x, y, d] = [inCrop(0), inCrop(1), inCrop(2)]
  return [...x.map((v, k) => ((v + d[k]!) * width) / 2), ...y.map((v, k) => ((v + d[k]!) * height) / 2), ...d]
}

/** Between which two neighbours places along an axis of `length` pixels lie, and what each of them counts, as grid_sampler
 *  has it (align_corners false). at [n, size, size] is used up. */
function placesOn(at: Tensor, length: Tensor, pad: Change['pad']) {
  const last = length.sub(1)
  let x = at
  if (pad === 'reflection') {
    const span = length.mul(2)
    const inside = aten.abs_(x.add_(0.5))
    const rest = inside.sub(aten.floor_(inside.div(span)).mul_(span))
    x = aten.minimum(rest, span.sub(rest)).add_(-0.5)
  }
  if (pad !== 'zeros') x = aten.minimum(aten.clamp_min_(x, 0), last)
  const left = aten.minimum(aten.clamp_min_(aten.floor(x), 0), aten.clamp_min_(last.sub(1), 0))
  const share = (neighbour: Tensor) => aten.clamp_min_(aten.neg_(aten.abs_(x.sub(neighbour))).add_(1), 0)
  const first = left.to('int64')
  const second = aten.minimum(first.add(1), last.to('int64'))
  // Of a single pixel there is one neighbour.
  const far = share(left.add(1)).mul_(length.sub(1).clamp(0, 1))
  return { near: share(left), far, first, second }
}
