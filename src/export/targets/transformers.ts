import { ModelError } from '../../base/errors.ts'
import { version } from '../../base/version.ts'
import { type Card, Graph } from '../../onnx/index.ts'
import { disposeModel, type LoadedModel, loadModel } from '../../vision/inference/saved.ts'
import { bounds, pixelDifferences } from '../check.ts'
import { checkFiles } from '../check-files.ts'
import { checkPictures, type ExportOptions } from '../export-model.ts'
import { exportCard, pictureMetadata } from '../model-card.ts'
import { networkGraph } from '../network.ts'
import { type RuntimeName, runtimeNames, type Value } from '../runtimes.ts'
import { storeWeights } from '../store-weights.ts'
import type { Files } from './files.ts'

/** A model in the folder of transformers.js, and how much it differs from the trained net on equal pixels, by runtime. */
export interface TransformersFiles {
  files: Files
  card: Card
  /** Size of onnx/model.onnx in bytes. */
  bytes: number
  differences: readonly { runtime: RuntimeName; difference: number }[]
}

/** The net of a run in the form that transformers.js reads: onnx/model.onnx takes `pixel_values` and gives `logits`,
 *  config.json names the classes, preprocessor_config.json says how pictures become pixels. Throws a ModelError if these
 *  files can't say how the model was trained, or if the net differs from the trained one. */
export async function transformersFiles(
  run: string,
  { weights = 'float32', check = true, pictures = checkPictures, runtimes = runtimeNames, data, signal }: ExportOptions,
): Promise<TransformersFiles> {
  const model = loadModel(run)
  try {
    refuseOthers(model)
    const { card, members } = model
    const graph = logitsGraph(model)
    if (weights !== 'float32') storeWeights(graph, weights)
    const about = exportCard(run, card, [card], { weights, net: true })
    const file = graph.encode({ producer: 'anneal', version: version(), metadata: pictureMetadata(about) })
    let found: number[] = []
    if (check) {
      const { places } = await checkFiles(run, card, { most: pictures, data, signal })
      found = await pixelDifferences(model, { file, inputs: ['pixel_values'] }, places, runtimes, softmaxOf)
      signal?.throwIfAborted()
      const { onPixels } = bounds(weights)
      for (const [i, difference] of found.entries())
        if (!(difference <= onPixels))
          throw new ModelError(
            `${run}: nothing is written: in ${runtimes[i]} the net does not answer as the trained one does: on equal pixels they differ by ${difference.toPrecision(2)}, expected at most ${onPixels}.`,
          )
    }
    const { classes } = card
    const { size, short, interpolation, mean, std } = members[0]!.card.preprocessing
    const json = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`
    return {
      card: about,
      bytes: file.length,
      differences: found.map((difference, i) => ({ runtime: runtimes[i]!, difference })),
      files: {
        'onnx/model.onnx': file,
        'config.json': json({
          model_type: 'resnet',
          architectures: ['ResNetForImageClassification'],
          problem_type: 'single_label_classification',
          num_labels: classes.length,
          id2label: Object.fromEntries(classes.map((name, i) => [i, name])),
          label2id: Object.fromEntries(classes.map((name, i) => [name, i])),
          'transformers.js_config': { dtype: 'fp32' },
        }),
        'preprocessor_config.json': json({
          image_processor_type: 'CLIPImageProcessor',
          do_convert_rgb: true,
          do_resize: true,
          size: { shortest_edge: short },
          resample: interpolation === 'bicubic' ? 3 : 2,
          do_center_crop: true,
          crop_size: { height: size, width: size },
          do_rescale: true,
          rescale_factor: 1 / 255,
          do_normalize: true,
          image_mean: mean,
          image_std: std,
        }),
        'README.md': readme(about.name, about.licence),
      },
    }
  } finally {
    disposeModel(model)
  }
}

/** Refuses what the files of transformers.js can't say. */
export function refuseOthers({ card, members }: Pick<LoadedModel, 'card'> & { members: readonly unknown[] }): void {
  const { task = 'single', preprocessing } = card
  const { mode = 'rgb', channels, range } = preprocessing
  const refuse = (what: string) => {
    throw new ModelError(
      `the model ${what}, and transformers.js classifies RGB pictures with one net and one label each. Export model.onnx, which has all of it: npx anneal export RUN.`,
    )
  }
  if (task !== 'single') refuse(task === 'multi' ? 'gives several labels, with a threshold for each' : 'gives numbers')
  if (members.length > 1) refuse(`is the mean of ${members.length} nets`)
  if (channels !== 3 || mode !== 'rgb')
    refuse(`takes pictures with ${channels === 1 ? 'one channel' : `${channels} channels`}, read as "${mode}"`)
  if (range) refuse('takes pictures of more than 8 bits')
}

/** From `pixel_values` float [N, 3, size, size] to `logits` float [N, K], at the temperature of the card. */
function logitsGraph({ card, members }: LoadedModel): Graph {
  const { card: own, network } = members[0]!
  const { size, channels } = own.preprocessing
  const graph = new Graph()
  const pixels = graph.input('pixel_values', 'float', ['N', channels, size, size])
  const { logits } = networkGraph(graph, network, pixels, [channels, size, size], { model: own.architecture })
  const { temperature = 1 } = own
  graph.output(graph.add('Div', [logits, graph.floats('outputs/temperature', [temperature])], {}, 'logits'), 'float', [
    'N',
    card.classes.length,
  ])
  return graph
}

function softmaxOf({ logits }: Record<string, Value>): Float64Array {
  const values = Array.from(logits!.data as Float32Array)
  const most = Math.max(...values)
  const powers = values.map(x => Math.exp(x - most))
  const sum = powers.reduce((a, b) => a + b, 0)
  return Float64Array.from(powers, x => x / sum)
}

const readme = (name: string, licence?: string) => `---
library_name: transformers.js
pipeline_tag: image-classification${licence === undefined ? '' : `\n# pretrained weights: ${licence}`}
---

# ${name} for transformers.js

\`\`\`js
import { env, pipeline } from '@huggingface/transformers'

env.localModelPath = '/folder/above/this/one'    // in a browser the address of that folder
env.allowRemoteModels = false
const classify = await pipeline('image-classification', 'NAME_OF_THIS_FOLDER')
console.log(await classify('cat.jpg'))
\`\`\`

The net answers as the trained one does, at its temperature. **The pictures differ**: transformers.js makes them smaller without
antialiasing, and in Node it does not turn them by their EXIF data. Small pictures are answered nearly alike, larger ones differently: of
100 pictures of 128 pixels a net of 128 pixels labelled 97 alike, of 60 photos of 400 pixels 53. For the answers of training take model.onnx of \`anneal export\`, which has the preprocessing inside, with \`@anneal/run\`.

\`model_type\` in config.json only says how transformers.js calls the file.
`
