import type { Graph } from '../../onnx/index.ts'
import type { BertConfig } from '../../text/net/config.ts'

/** Windows of a batch of texts, in the graph. N texts have up to P windows of up to W tokens. */
export interface Windows {
  /** int64 [N·P, W]: the numbers of the tokens, with those before and after each window. */
  ids: string
  /** int64 [W]: 0, 1, … */
  places: string
  /** bool [N, P, W]: whether a token is there; a text of fewer windows has none in the last ones. */
  there: string
  /** float [N, 1]: tokens of each text with those before and after its windows, and windows. */
  tokens: string
  windows: string
}

/** Texts of one window each, which nothing cuts: ids and mask int64 [N, W], rows filled up on the right, with the tokens before and
 *  after each text. */
export function oneWindow(graph: Graph, { ids, mask }: { ids: string; mask: string }): Windows {
  const add = (op: string, inputs: Names, attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, `window/${op}`)
  const int = (value: number) => graph.ints('window/constant', [value], [])
  const axes = (...list: number[]) => graph.ints('window/axes', list)
  const float = (value: string) => add('Cast', [value], { to: 1 })
  const width = add('Squeeze', [graph.add('Shape', [ids], { start: 1, end: 2 }, 'window/Shape'), axes(0)])
  const tokens = float(add('ReduceSum', [mask, axes(1)], { keepdims: 1 }))
  return {
    ids,
    places: add('Range', [int(0), width, int(1)]),
    there: add('Unsqueeze', [add('Cast', [mask], { to: 9 }), axes(1)]),
    tokens,
    windows: add('Min', [tokens, graph.floats('window/one', [1], [])]),
  }
}

type Names = readonly string[]

/** Cuts texts into windows as training does (`text/net/pack.ts`, `text/source.ts`): at most `maxTokens` of a text, the
 *  beginning and a quarter from its end, in equal parts. ids, mask: int64 [N, L], with a token before and after each text, on
 *  whichever side rows are filled up. Graphs compute so by themselves, since a rule in words is soon programmed otherwise. */
export function addWindows(
  graph: Graph,
  { ids, mask }: { ids: string; mask: string },
  { begin, end, window, vocabulary }: BertConfig,
  maxTokens: number,
): Windows {
  const add = (op: string, inputs: Names, attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, `windows/${op}`)
  const known = new Map<number, string>()
  const int = (value: number) => {
    if (!known.has(value)) known.set(value, graph.ints('windows/constant', [value], []))
    return known.get(value)!
  }
  const axes = (...list: number[]) => graph.ints('windows/axes', list)
  const inside = window - 2
  // Each text: [N, 1].
  const start = add('ArgMax', [mask], { axis: 1, keepdims: 1 })
  const given = add('ReduceSum', [mask, axes(1)], { keepdims: 1 })
  const length = add('Max', [add('Sub', [given, int(2)]), int(0)])
  const kept = add('Min', [length, int(maxTokens)])
  const left = add('Sub', [length, kept])
  const parts = add('Max', [add('Div', [add('Add', [kept, int(inside - 1)]), int(inside)]), int(1)])
  // Each window: [N, P].
  const most = add('ReduceMax', [parts], { keepdims: 0 })
  const part = add('Range', [int(0), most, int(1)])
  const cut = (p: string) => add('Div', [add('Mul', [kept, p]), parts])
  const from = cut(part)
  const real = add('Less', [part, parts])
  const long = add('Where', [real, add('Sub', [cut(add('Add', [part, int(1)])), from]), int(0)])
  // Each token: [N, P, W].
  const longest = add('Add', [add('ReduceMax', [long], { keepdims: 0 }), int(2)])
  const places = add('Range', [int(0), longest, int(1)])
  const deep = (value: string, ...at: number[]) => add('Unsqueeze', [value, axes(...at)])
  const inText = add('Add', [deep(from, 2), add('Sub', [places, int(1)])])
  const tail = add('Where', [
    add('GreaterOrEqual', [inText, int(maxTokens - Math.floor(maxTokens / 4))]),
    deep(left, 2),
    int(0),
  ])
  const row = add('Add', [add('Add', [inText, tail]), deep(add('Add', [start, int(1)]), 2)])
  const last = add('Sub', [add('Squeeze', [graph.add('Shape', [ids], { start: 1, end: 2 }), axes(0)]), int(1)])
  const safe = add('Min', [add('Max', [row, int(0)]), last])
  const count = graph.add('Shape', [ids], { start: 0, end: 1 })
  const flat = add('Reshape', [safe, add('Concat', [count, axes(-1)], { axis: 0 })])
  const shape = add('Shape', [inText])
  const found = add('Reshape', [add('GatherElements', [ids, flat], { axis: 1 }), shape])
  const inVocabulary = add('Min', [add('Max', [found, int(0)]), int(vocabulary - 1)])
  const after = add('Add', [deep(long, 2), int(1)])
  const ended = add('Where', [add('Equal', [places, after]), int(end), inVocabulary])
  const begun = add('Where', [add('Equal', [places, int(0)]), int(begin), ended])
  const there = add('And', [deep(real, 2), add('LessOrEqual', [places, after])])
  const width = add('Unsqueeze', [longest, axes(0)])
  const numbers = (value: string) => add('Cast', [value], { to: 1 })
  return {
    ids: add('Reshape', [begun, add('Concat', [axes(-1), width], { axis: 0 })]),
    places,
    there,
    tokens: numbers(add('Add', [kept, add('Mul', [parts, int(2)])])),
    windows: numbers(parts),
  }
}
