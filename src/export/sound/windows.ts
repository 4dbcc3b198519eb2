import type { Graph } from '../../onnx/index.ts'
import { hopOf } from '../../runtime/sound/windows.ts'

/** Recordings that are ready to be cut: names of values of the graph. */
export interface Cut {
  /** float [N, samples], at least as long as a window: a short recording lies in the middle of silence. */
  samples: string
  /** int64, without dimensions: how many windows there are, and where the first and the last one begin. */
  count: string
  first: string
  last: string
  /** The length of a window, in samples. */
  size: number
}

/** Cuts recordings as training does (`runtime/sound/windows.ts`): one that is at most a quarter longer than a window is heard
 *  in one, with it in the middle; a longer one in windows that overlap by half, the last of which ends where it ends.
 *  samples: float [N, samples]. */
export function addCut(graph: Graph, samples: string, size: number, prefix: string): Cut {
  const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, `${prefix}cut/${op}`)
  const int = (value: number) => graph.ints(`${prefix}cut/constant`, [value], [])
  const list = (...values: number[]) => graph.ints(`${prefix}cut/list`, values)
  const hop = hopOf(size)
  const length = add('Squeeze', [add('Shape', [samples], { start: 1, end: 2 }), list(0)])
  const beyond = add('Sub', [length, int(size)])
  const one = add('LessOrEqual', [add('Mul', [length, int(4)]), int(5 * size)])
  // ⌊(length - size) / 2⌋, by a division of a number that is not negative: ONNX truncates.
  const middle = add('Sub', [add('Div', [add('Add', [length, int(size)]), int(2)]), int(size)])
  const before = add('Max', [add('Neg', [middle]), int(0)])
  const after = add('Max', [add('Sub', [add('Neg', [beyond]), before]), int(0)])
  const wide = (value: string) => add('Unsqueeze', [value, list(0)])
  const pads = add('Concat', [list(0), wide(before), list(0), wide(after)], { axis: 0 })
  const only = add('Max', [middle, int(0)])
  const several = add('Add', [add('Div', [add('Add', [beyond, int(hop - 1)]), int(hop)]), int(1)])
  return {
    samples: add('Pad', [samples, pads]),
    count: add('Where', [one, int(1), several]),
    first: add('Where', [one, only, int(0)]),
    last: add('Where', [one, only, beyond]),
    size,
  }
}

/** The window of a number: float [N, size]. body: the loop over windows, which sees the values outside. */
export function windowAt(body: Graph, { samples, first, last, size }: Cut, number: string, prefix: string): string {
  const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
    body.add(op, inputs, attributes, `${prefix}window/${op}`)
  const list = (...values: number[]) => body.ints(`${prefix}window/list`, values)
  const hop = body.ints(`${prefix}window/hop`, [hopOf(size)], [])
  const from = add('Min', [last, add('Add', [first, add('Mul', [number, hop])])])
  const start = add('Unsqueeze', [from, list(0)])
  const cut = add('Slice', [samples, start, add('Add', [start, list(size)]), list(1)])
  return add('Reshape', [cut, list(-1, size)])
}
