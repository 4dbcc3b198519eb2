import { type Graph, typeNumber } from '../../onnx/index.ts'
import { inputShape, type Preprocessing, spectrogramOf, speechMel } from '../../sound/features/inputs.ts'
import { hann, type MelOptions, melFilters } from '../../sound/features/mel.ts'

/** Writes how windows become the net's input (`sound/features/inputs.ts`) into a graph, in float64 as in training: a quiet band
 *  beside a loud one loses its digits in float32. x: the name of float [N, samples]. Returns the name of float
 *  [N, ...inputShape]. */
export function addInput(graph: Graph, x: string, how: Preprocessing, prefix = ''): string {
  const double = graph.add('Cast', [x], { to: typeNumber('double') }, `${prefix}sound/Cast`)
  return how.input === 'speech' ? addSpeech(graph, double, prefix) : addSpectrogram(graph, double, how, prefix)
}

/** Log-mel of the speech embedding: [N, 1, frames, 32]. */
function addSpeech(graph: Graph, x: string, prefix: string): string {
  const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, `${prefix}mel/${op}`)
  const number = (value: number) => graph.doubles(`${prefix}mel/constant`, [value], [])
  const filters = addFilters(graph, speechMel, `${prefix}mel/`)
  const power = addPower(graph, add('Mul', [x, number(32768)]), speechMel, filters, `${prefix}mel/`)
  const decibels = add('Mul', [add('Log', [add('Max', [power, number(1e-10)])]), number(10 / Math.LN10)])
  const loudest = add('ReduceMax', [decibels, graph.ints(`${prefix}mel/axes`, [1, 2])], { keepdims: 1 })
  const floored = add('Max', [decibels, add('Sub', [loudest, number(80)])])
  const scaled = add('Add', [add('Div', [floored, number(10)]), number(2)])
  const float = add('Cast', [scaled], { to: typeNumber('float') })
  return add('Unsqueeze', [float, graph.ints(`${prefix}mel/axes`, [1])])
}

/** Three spectra as a picture: [N, 3, bands, frames]. */
function addSpectrogram(graph: Graph, x: string, how: Preprocessing, prefix: string): string {
  const { fft, mels } = spectrogramOf(how)
  const [, bands = 0, frames = 0] = inputShape(how)
  const around = graph.ints(`${prefix}mel/around`, [0, fft / 2, 0, fft / 2])
  const padded = graph.add('Pad', [x, around, graph.doubles(`${prefix}mel/zero`, [0], [])], {}, `${prefix}mel/Pad`)
  // High notes stand on top: the filters are written from the last to the first. All channels share them.
  const filters = addFilters(graph, mels[0]!, `${prefix}mel/`, true)
  const channels = mels.map((mel, i) => {
    const at = `${prefix}mel${i + 1}/`
    const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
      graph.add(op, inputs, attributes, at + op)
    const number = (value: number) => graph.doubles(`${at}constant`, [value], [])
    const axes = graph.ints(`${at}axes`, [1, 2])
    const power = addPower(graph, padded, mel, filters, at)
    const float = (value: string) => add('Cast', [value], { to: typeNumber('float') })
    const double = (value: string) => add('Cast', [value], { to: typeNumber('double') })
    // Rounded to float32 where training rounds: a spectrum that hardly varies is divided by little.
    const level = float(add('Log', [add('Add', [power, number(1e-5)])])) // [N, frames, bands]
    const mean = float(add('ReduceMean', [double(level), axes], { keepdims: 1 }))
    const centred = add('Sub', [level, mean])
    const squares = add('ReduceSumSquare', [double(centred), axes], { keepdims: 1 })
    const spread = float(add('Sqrt', [add('Div', [squares, number(bands * frames - 1)])]))
    const scaled = add('Div', [centred, add('Add', [spread, graph.floats(`${at}least`, [1e-3], [])])])
    const turned = add('Transpose', [scaled], { perm: [0, 2, 1] })
    return add('Unsqueeze', [turned, graph.ints(`${at}axes`, [1])])
  })
  return graph.add('Concat', channels, { axis: 1 }, `${prefix}mel/Concat`)
}

/** The filters of mel bands, float64 [bins, bands]. `upwards`: from the highest band to the lowest. */
function addFilters(graph: Graph, options: MelOptions, at: string, upwards = false): string {
  const { fft, bands } = options
  const filters = melFilters(options)
  const ordered = upwards ? filters.map((_, i) => filters[i - 2 * (i % bands) + bands - 1]!) : filters
  return graph.doubles(`${at}filters`, ordered, [fft / 2 + 1, bands])
}

/** A power spectrum in mel bands (`melPower`): float64 [N, samples] → [N, frames, bands]. */
function addPower(graph: Graph, x: string, { fft, hop, window }: MelOptions, filters: string, at: string): string {
  const add = (op: string, inputs: readonly string[], attributes: Parameters<Graph['add']>[2] = {}) =>
    graph.add(op, inputs, attributes, at + op)
  const signal = add('Unsqueeze', [x, graph.ints(`${at}axes`, [2])])
  const step = graph.ints(`${at}hop`, [hop], [])
  const length = graph.ints(`${at}fft`, [fft], [])
  const shape = graph.doubles(`${at}hann`, hann(window, fft))
  const spectrum = add('STFT', [signal, step, shape, length], { onesided: 1 }) // [N, frames, bins, 2]
  const squares = add('ReduceSumSquare', [spectrum, graph.ints(`${at}axes`, [3])], { keepdims: 0 })
  return add('MatMul', [squares, filters])
}
