import { ModelError } from '../base/errors.ts'
import { Graph } from '../onnx/index.ts'
import { decodedAs, type LoadedModel, type Preprocessing } from '../vision/inference/saved.ts'
import { networkGraph } from './network.ts'
import { addOutputs } from './outputs.ts'
import { addPreprocessing } from './preprocess.ts'

/** A model in a graph. */
export interface ModelGraph {
  graph: Graph
  /** The names of its inputs, one for each kind of preprocessing: `pixels`, or for a whole model `image` alone. */
  inputs: readonly string[]
  /** Width of the output `features`; absent for ensembles. */
  features?: number
  /** Size of the class activation maps, where they were asked for and the head is linear. */
  heat?: { rows: number; columns: number }
}

/** How the pictures of a member become the pixels of its net: members with equal keys share them. */
const pixelsOf = (p: Preprocessing): string => JSON.stringify([decodedAs(p), p.size, p.channels, p.mean, p.std])

/** The kinds of preprocessing of a model's members. */
export const preprocessings = ({ members }: LoadedModel): Preprocessing[] => [
  ...new Map(members.map(({ card }) => [pixelsOf(card.preprocessing), card.preprocessing])).values(),
]

/** Writes a model as a graph: raw pictures in (`image`: uint8 [N, H, W, C]), answers out. `net`: without the preprocessing,
 *  from `pixels`: float [N, C, size, size], normalised. `heat`: with class activation maps (of one net whose head is linear).
 */
export function modelGraph(model: LoadedModel, { net = false, heat = false } = {}): ModelGraph {
  const { card, members } = model
  const { channels } = card.preprocessing
  const graph = new Graph()
  const kinds = preprocessings(model)
  const image = net ? undefined : graph.input('image', 'uint8', ['N', 'H', 'W', channels])
  const pixels = new Map(
    kinds.map((p, i) => {
      if (p.channels !== channels)
        throw new ModelError(
          `the members take pictures of ${channels} and of ${p.channels} channels; expected one number.`,
        )
      const own = image
        ? addPreprocessing(graph, image, p)
        : graph.input(i === 0 ? 'pixels' : `pixels_${i}`, 'float', ['N', channels, p.size, p.size])
      return [pixelsOf(p), own]
    }),
  )
  const several = members.length > 1
  const outputs = members.map((member, i) => {
    const { architecture, preprocessing } = member.card
    const { size } = preprocessing
    const named = { model: architecture, heat: heat && !several, ...(several && { prefix: `member${i + 1}/` }) }
    const from = pixels.get(pixelsOf(preprocessing))!
    return { card: member.card, ...networkGraph(graph, member.network, from, [channels, size, size], named) }
  })
  addOutputs(graph, outputs, card)
  const inputs = image ? [image] : [...pixels.values()]
  if (several) return { graph, inputs }
  const features = members[0]!.network.body.pooledFeatures
  graph.output(graph.add('Identity', [outputs[0]!.features], {}, 'features'), 'float', ['N', features])
  const found = outputs[0]!.heat
  if (!found) return { graph, inputs, features }
  const { name, rows, columns } = found
  graph.output(name, 'float', ['N', card.classes.length, rows, columns])
  return { graph, inputs, features, heat: { rows, columns } }
}
