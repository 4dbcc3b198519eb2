import { Batch, type Dim, type Fixed, type Value } from '../program.ts'
import { axisOf, type Emitter, type Rule, sizesOf } from './emitter.ts'

/** Everything that keeps the elements in their order: the shape is that of the result. */
const reshape: Rule = (e, args, { results: [y] }) => {
  const x = args.tensor('self')
  args.get('dim') // the shape of the result tells it
  if (y!.dtype !== x.dtype) throw e.error(`reads the same bytes as ${y!.dtype}, which can't be written`)
  return reshaped(e, e.name(x), x.shape, y!.shape)
}

function reshaped(e: Emitter, x: string, from: readonly Dim[], to: readonly Dim[]): string {
  if (sameDims(from, to)) return x
  const free = to.filter(d => d instanceof Batch)
  if (free.length > 1) return e.add('Reshape', [x, e.dims(to)])
  // 0 keeps the dimension of the input at this place, so a runtime still knows it as the number of pictures.
  const keeps = from[0] instanceof Batch && to[0] instanceof Batch && from[0].times === to[0].times
  return e.add('Reshape', [x, e.ints(to.map((d, i) => (typeof d === 'number' ? d : keeps && i === 0 ? 0 : -1)))])
}

const sameDims = (a: readonly Dim[], b: readonly Dim[]): boolean =>
  a.length === b.length && a.every((d, i) => timesOf(d) === timesOf(b[i]!) && typeof d === typeof b[i])
const timesOf = (d: Dim) => (typeof d === 'number' ? d : d.times)

const permuted = (e: Emitter, x: Value | Fixed, perm: number[]): string =>
  perm.every((p, i) => p === i) ? e.name(x) : e.add('Transpose', [e.name(x)], { perm })

const permute: Rule = (e, args) => {
  const x = args.tensor('self')
  return permuted(
    e,
    x,
    args.ints('dims').map(d => axisOf(d, x.shape.length)),
  )
}

/** Swaps two dimensions. */
const swap =
  (first: string, second: string): Rule =>
  (e, args) => {
    const x = args.tensor('self')
    const [a, b] = [first, second].map(name => axisOf(args.number(name), x.shape.length)) as [number, number]
    return permuted(
      e,
      x,
      x.shape.map((_, i) => (i === a ? b : i === b ? a : i)),
    )
  }
const t: Rule = (e, args) => {
  const x = args.tensor('self')
  return permuted(
    e,
    x,
    x.shape.map((_, i) => x.shape.length - 1 - i),
  )
}

const transposed: Rule = (e, args) => {
  const x = args.tensor('self')
  const last = x.shape.length - 1
  return permuted(
    e,
    x,
    [...x.shape.keys()].map(i => (i === last ? last - 1 : i === last - 1 ? last : i)),
  )
}

const movedim: Rule = (e, args) => {
  const x = args.tensor('self')
  const rank = x.shape.length
  const [from, to] = ['source', 'destination'].map(name => args.ints(name).map(d => axisOf(d, rank))) as [
    number[],
    number[],
  ]
  const rest = x.shape.map((_, i) => i).filter(i => !from.includes(i))
  return permuted(
    e,
    x,
    x.shape.map((_, i) => (to.includes(i) ? from[to.indexOf(i)]! : rest.shift()!)),
  )
}

/** Cuts along a dimension; the parts have the sizes of the results. */
const split: Rule = (e, args, { results }) => {
  const x = args.tensor('self')
  const axis = axis1(e, x, args.number('dim'))
  const sizes = results.map(y => y.shape[axis] as number)
  if (sizes.length === 1) return e.name(x)
  return e.addMany('Split', [e.name(x), e.ints(sizes)], sizes.length, { axis })
}

const unbind: Rule = (e, args, { results }) => {
  const x = args.tensor('self')
  const axis = axis1(e, x, args.number('dim'))
  const axes = () => e.ints([axis])
  if (results.length === 1) return e.add('Squeeze', [e.name(x), axes()])
  const parts = e.addMany('Split', [e.name(x), e.ints(results.map(() => 1))], results.length, { axis })
  return parts.map((part, i) => (e.isRead(results[i]!) ? e.add('Squeeze', [part, axes()]) : part))
}

/** The dimension, which must not be that of the pictures. */
function axis1(e: Emitter, x: Value | Fixed, dim: number): number {
  const axis = axisOf(dim, x.shape.length)
  if (x.shape[axis] instanceof Batch)
    throw e.error('cuts the batch along its pictures, so the answer for one picture would depend on the others')
  return axis
}

const select: Rule = (e, args) => {
  const x = args.tensor('self')
  const axis = axis1(e, x, args.number('dim'))
  const index = axisOf(args.number('index'), x.shape[axis] as number)
  return e.add('Gather', [e.name(x), e.scalar(index, 'int64')], { axis })
}

const indexSelect: Rule = (e, args) => {
  const x = args.tensor('self')
  return e.add('Gather', [e.name(x), e.name(args.tensor('index'))], { axis: axis1(e, x, args.number('dim')) })
}

const sliced = (e: Emitter, x: string, axis: number, [start, end, step = 1]: readonly [number, number, number?]) =>
  e.add('Slice', [x, e.ints([start]), e.ints([end]), e.ints([axis]), e.ints([step])])

const narrow: Rule = (e, args) => {
  const x = args.tensor('self')
  const axis = axis1(e, x, args.number('dim'))
  const start = axisOf(args.number('start'), x.shape[axis] as number)
  return sliced(e, e.name(x), axis, [start, start + args.number('length')])
}

const slice: Rule = (e, args) => {
  const x = args.tensor('self')
  const dim = axisOf(args.number('dim'), x.shape.length)
  const [start, end] = [args.maybeNumber('start') ?? 0, args.maybeNumber('end') ?? Number.MAX_SAFE_INTEGER]
  const size = x.shape[dim]!
  const whole = start === 0 && (end >= Number.MAX_SAFE_INTEGER || end === size) && args.number('step') === 1
  return whole ? e.name(x) : sliced(e, e.name(x), axis1(e, x, dim), [start, end, args.number('step')])
}

const flip: Rule = (e, args) => {
  const x = args.tensor('self')
  const from = args.ints('dims').map(d => axis1(e, x, d))
  const far = -Number.MAX_SAFE_INTEGER
  const all = (value: number) => e.ints(from.map(() => value))
  return e.add('Slice', [e.name(x), all(-1), all(far), e.ints(from), all(-1)])
}

/** The last elements of a dimension come first. */
const roll: Rule = (e, args) => {
  const x = args.tensor('self')
  const dims = args.ints('dims')
  if (dims.length === 0) throw e.error('rolls the flattened tensor; give it dims')
  return args.ints('shifts').reduce((name, shift, i) => {
    const axis = axis1(e, x, dims[i]!)
    const size = x.shape[axis] as number
    const cut = (((size - shift) % size) + size) % size
    if (cut === 0) return name
    return e.add('Concat', [sliced(e, name, axis, [cut, size]), sliced(e, name, axis, [0, cut])], { axis })
  }, e.name(x))
}

const expand: Rule = (e, args, { results: [y] }) => {
  const x = args.tensor('self')
  return sameDims(x.shape, y!.shape) ? e.name(x) : e.add('Expand', [e.name(x), e.dims(y!.shape)])
}

const repeat =
  (name: string): Rule =>
  (e, args, { results: [y] }) => {
    const x = args.tensor('self')
    const rank = y!.shape.length
    const times = args.get(name) as readonly Dim[]
    const grown = [...Array.from({ length: rank - x.shape.length }, () => 1), ...x.shape]
    const all = [...Array.from({ length: rank - times.length }, () => 1), ...times]
    return e.add('Tile', [reshaped(e, e.name(x), x.shape, grown), e.dims(all)])
  }

const cat: Rule = (e, args, { results: [y] }) => {
  // An empty list of one dimension may stand among the tensors, as torch allows.
  const parts = args.tensors('tensors').filter(part => part.shape.length > 1 || part.shape[0] !== 0)
  const names = parts.map(part => e.cast(e.name(part), part.dtype, y!.dtype))
  return names.length === 1 ? names[0]! : e.add('Concat', names, { axis: axisOf(args.number('dim'), y!.shape.length) })
}

const stack: Rule = (e, args, { results: [y] }) => {
  const axis = axisOf(args.number('dim'), y!.shape.length)
  const parts = args.tensors('tensors').map(part => e.add('Unsqueeze', [e.name(part), e.ints([axis])]))
  return e.add('Concat', parts, { axis })
}

const pixelShuffle: Rule = (e, args) =>
  e.add('DepthToSpace', [e.name(args.tensor('self'))], { blocksize: args.number('upscale_factor'), mode: 'CRD' })

const pixelUnshuffle: Rule = (e, args) => {
  const x = args.tensor('self')
  const r = args.number('downscale_factor')
  const [c, h, w] = sizesOf(e, x, 1) as [number, number, number]
  const cut = e.add('Reshape', [e.name(x), e.ints([0, c, h / r, r, w / r, r])])
  const moved = e.add('Transpose', [cut], { perm: [0, 1, 3, 5, 2, 4] })
  return e.add('Reshape', [moved, e.ints([0, c * r * r, h / r, w / r])])
}

const channelShuffle: Rule = (e, args) => {
  const x = args.tensor('self')
  const groups = args.number('groups')
  const [c, ...rest] = sizesOf(e, x, 1) as [number, ...number[]]
  const cut = e.add('Reshape', [e.name(x), e.ints([0, groups, c / groups, ...rest])])
  const perm = [0, 2, 1, ...rest.map((_, i) => i + 3)]
  return e.add('Reshape', [e.add('Transpose', [cut], { perm }), e.ints([0, c, ...rest])])
}

const upsample =
  (mode: 'nearest' | 'linear' | 'cubic'): Rule =>
  (e, args, { results: [y] }) => {
    const x = args.maybe('self') ?? args.tensor('input')
    const place = mode === 'nearest' ? 'asymmetric' : args.flag('align_corners') ? 'align_corners' : 'half_pixel'
    return e.add('Resize', [e.name(x), undefined, undefined, e.dims(y!.shape)], {
      mode,
      coordinate_transformation_mode: place,
      ...(mode === 'cubic' ? { cubic_coeff_a: { float: -0.75 } } : {}),
      ...(mode === 'nearest' ? { nearest_mode: 'floor' } : {}),
    })
  }

/** Shapes, views, joins and cuts. */
export const shape: Record<string, Rule> = {
  reshape,
  view: reshape,
  _unsafe_view: reshape,
  view_as: reshape,
  reshape_as: reshape,
  flatten: reshape,
  unflatten: reshape,
  squeeze: reshape,
  unsqueeze: reshape,
  permute,
  transpose: swap('dim0', 'dim1'),
  swapaxes: swap('axis0', 'axis1'),
  swapdims: swap('dim0', 'dim1'),
  t,
  mT: transposed,
  movedim,
  moveaxis: movedim,
  ravel: reshape,
  split,
  split_with_sizes: split,
  chunk: split,
  tensor_split: split,
  unbind,
  select,
  index_select: indexSelect,
  narrow,
  slice,
  flip,
  roll,
  expand,
  expand_as: expand,
  repeat: repeat('repeats'),
  tile: repeat('dims'),
  cat,
  concat: cat,
  concatenate: cat,
  stack,
  pixel_shuffle: pixelShuffle,
  pixel_unshuffle: pixelUnshuffle,
  channel_shuffle: channelShuffle,
  upsample_nearest2d: upsample('nearest'),
  upsample_bicubic2d: upsample('cubic'),
  upsample_bilinear2d: upsample('linear'),
}
