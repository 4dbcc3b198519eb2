import { ModelError } from '../base/errors.ts'
import type { CardInput, Graph } from '../onnx/index.ts'

/** What the preprocessing needs to know of the net's input. */
export type PreprocessInput = Pick<CardInput, 'channels' | 'size' | 'short' | 'interpolation' | 'mean' | 'std'>

/** The node that makes large pictures small. On WebGPU it has to stay on the CPU: `forceCpuNodeNames`. */
export const resizeNode = 'preprocess/resize'

const float = 1

/** Adds the preprocessing of pictures, as training sees them: a strip beyond 8 : 1 is cut to 2 : 1; the short side becomes
 *  `short` (antialiased); what lies beyond 2 : 1 is cut; the centre square of `size` is normalised. A picture whose short
 *  side is below `short` is enlarged in floats, by bilinear sampling. By standard operators alone.
 *  image: uint8 [N, H, W, C] → float [N, C, size, size]. */
export function addPreprocessing(graph: Graph, image: string, input: PreprocessInput): string {
  const { channels, size, short, interpolation } = input
  const [mean, std] = [input.mean, input.std].map(values => perChannel(values, channels))
  if (short < size)
    throw new ModelError(
      `the model resizes pictures to ${short} pixels and crops ${size} of them; expected a crop that is no larger.`,
    )
  const g = new Sizes(graph)
  const axes = graph.ints('preprocess/axes', [1, 2])
  const given = g.sides(image)

  // A strip is cut before it is resized.
  const narrow = g.least(given)
  const isStrip = graph.add('Greater', [g.most(given), g.times(narrow, 8)])
  const kept = graph.add('Where', [isStrip, graph.add('Min', [given, g.times(narrow, 2)]), given])
  const cut = g.slice(image, { from: g.half(graph.add('Sub', [given, kept])), by: kept, axes })

  // torchvision's rule in integers; a small picture keeps its size here.
  const side = graph.ints('preprocess/short', [short])
  const isSmall = graph.add('Greater', [side, narrow])
  const fitted = graph.add('Div', [graph.add('Mul', [kept, side]), narrow])
  const resized = graph.add('Where', [isSmall, kept, fitted])
  const cubic = interpolation === 'bicubic'
  const small = cubic ? cubicResize(graph, cut, resized) : linearResize(graph, cut, resized)

  // The rest beyond 2 : 1 is cut, in the same step as the crop where the picture is large enough.
  const wide = graph.add('Min', [resized, g.times(g.least(resized), 2)])
  const from = g.half(graph.add('Sub', [resized, wide]))
  const square = graph.add(
    'If',
    [graph.add('Squeeze', [isSmall])],
    {
      then_branch: enlarged(graph, { image: small, from, wide, axes, narrow }, input),
      else_branch: cropped(graph, { image: small, from, wide, axes }, input),
    },
    'preprocess/square',
  )
  const scale = graph.floats(
    'preprocess/scale',
    std!.map(s => 1 / (255 * s)),
    [channels, 1, 1],
  )
  const shift = graph.floats(
    'preprocess/shift',
    mean!.map((m, c) => -m / std![c]!),
    [channels, 1, 1],
  )
  return graph.add('Add', [graph.add('Mul', [square, scale]), shift], {}, 'pixels')
}

/** As `antialias=True` of torchvision; values beside the picture do not count. */
const antialiased = {
  coordinate_transformation_mode: 'half_pixel',
  antialias: 1,
  exclude_outside: 1,
  axes: [1, 2],
} as const

/** On whole numbers, which is three times as fast as on floats. image: uint8 [N, H, W, C] → uint8. */
const linearResize = (graph: Graph, image: string, sides: string): string =>
  graph.add('Resize', [image, undefined, undefined, sides], { mode: 'linear', ...antialiased }, resizeNode)

/** On floats, rounded and clipped at the end: on whole numbers the rows would be clipped before the columns are resized,
 *  which is off by up to 20 levels of 255 where a cubic overshoots. image: uint8 [N, H, W, C] → float. */
function cubicResize(graph: Graph, image: string, sides: string): string {
  const values = graph.add('Cast', [image], { to: float })
  const attributes = { mode: 'cubic', cubic_coeff_a: { float: -0.5 }, ...antialiased }
  const resized = graph.add('Resize', [values, undefined, undefined, sides], attributes, resizeNode)
  const [black, white] = [graph.floats('preprocess/black', [0], []), graph.floats('preprocess/white', [255], [])]
  return graph.add('Clip', [graph.add('Round', [resized]), black, white])
}

interface Cut {
  image: string
  from: string
  wide: string
  axes: string
}

/** The centre square of a picture that is large enough, pixel for pixel: float [N, C, size, size]. */
function cropped(graph: Graph, { image, from, wide, axes }: Cut, { channels, size }: PreprocessInput): Graph {
  const g = new Sizes(graph.branch())
  const room = g.graph.add('Sub', [wide, g.graph.ints('preprocess/size', [size])])
  // Half a pixel goes up, as Math.round does it.
  const start = g.half(g.graph.add('Add', [room, g.graph.ints('preprocess/one', [1])]))
  const square = g.slice(image, {
    from: g.graph.add('Add', [from, start]),
    by: g.graph.ints('preprocess/square', [size, size]),
    axes,
  })
  const turned = g.graph.add('Transpose', [square], { perm: [0, 3, 1, 2] })
  const out = g.graph.add('Cast', [turned], { to: float }, 'preprocess/cropped')
  g.graph.output(out, 'float', ['N', channels, size, size])
  return g.graph
}

/** The centre square of a picture that is enlarged first: each pixel of the square looks at one point of the picture,
 *  between two rows and two columns. Both are products with a matrix of shares: float [N, C, size, size]. */
function enlarged(
  graph: Graph,
  { image, from, wide, axes, narrow }: Cut & { narrow: string },
  { channels, size, short }: PreprocessInput,
): Graph {
  const g = new Sizes(graph.branch())
  const b = g.graph
  const whole = g.slice(image, { from, by: wide, axes })
  const step = b.add('Div', [b.add('Cast', [narrow], { to: float }), b.floats('preprocess/enlarged', [short])])
  const places = b.floats(
    'preprocess/places',
    Array.from({ length: size }, (_, i) => i + 0.5 - size / 2),
    [size, 1],
  )
  const offsets = b.add('Mul', [places, step])
  const half = b.floats('preprocess/half', [0.5])
  const [zero, one] = [b.ints('preprocess/zero', [0], []), b.ints('preprocess/unit', [1], [])]
  const [none, single] = [b.floats('preprocess/none', [0]), b.floats('preprocess/whole', [1])]
  /** The shares of `length` rows or columns in each of the square: [size, length]. */
  const shares = (axis: number) => {
    const length = b.add('Gather', [wide, b.ints('preprocess/axis', [axis], [])], { axis: 0 })
    const last = b.add('Sub', [b.add('Cast', [length], { to: float }), single])
    const looks = b.add('Add', [offsets, b.add('Mul', [last, half])])
    const inside = b.add('Min', [b.add('Max', [looks, none]), last])
    const each = b.add('Cast', [b.add('Range', [zero, length, one])], { to: float })
    const far = b.add('Abs', [b.add('Sub', [inside, each])])
    return b.add('Relu', [b.add('Sub', [single, far])])
  }
  const values = b.add('Transpose', [b.add('Cast', [whole], { to: float })], { perm: [0, 3, 1, 2] })
  const rows = b.add('MatMul', [shares(0), values])
  const columns = b.add('Transpose', [shares(1)], { perm: [1, 0] })
  const out = b.add('MatMul', [rows, columns], {}, 'preprocess/enlarged_square')
  b.output(out, 'float', ['N', channels, size, size])
  return b
}

/** Sizes of a picture as values of a graph: int64 [2], height and width, or [1]. */
class Sizes {
  readonly graph: Graph
  #number = new Map<number, string>()

  constructor(graph: Graph) {
    this.graph = graph
  }
  sides(image: string): string {
    return this.graph.add('Shape', [image], { start: 1, end: 3 })
  }
  least(sides: string): string {
    return this.graph.add('ReduceMin', [sides], { keepdims: 1 })
  }
  most(sides: string): string {
    return this.graph.add('ReduceMax', [sides], { keepdims: 1 })
  }
  times(value: string, by: number): string {
    return this.graph.add('Mul', [value, this.#constant(by)])
  }
  half(value: string): string {
    return this.graph.add('Div', [value, this.#constant(2)])
  }
  slice(image: string, { from, by, axes }: { from: string; by: string; axes: string }): string {
    return this.graph.add('Slice', [image, from, this.graph.add('Add', [from, by]), axes])
  }
  #constant(value: number): string {
    const name = this.#number.get(value) ?? this.graph.ints('preprocess/number', [value])
    this.#number.set(value, name)
    return name
  }
}

function perChannel(values: readonly number[], channels: number): number[] {
  if (values.length !== 1 && values.length !== channels)
    throw new ModelError(
      `the model's card has ${values.length} numbers of mean or std and ${channels} channels; expected one, or one per channel.`,
    )
  return Array.from({ length: channels }, (_, c) => values[c % values.length]!)
}
