import { ModelError } from '../../base/errors.ts'
import { option } from '../../base/options.ts'
import { Graph } from '../../onnx/index.ts'
import { inputShape, isPreprocessing, type Preprocessing } from '../../sound/features/inputs.ts'
import { networkOf } from '../../sound/inference/saved.ts'
import type { Body } from '../../train/network.ts'
import type { LoadedModel, Member } from '../../train/saved-model.ts'
import { networkGraph, type PictureShape } from '../network.ts'
import { openNet } from '../open-net.ts'
import { activated, addAnswers } from '../outputs.ts'
import { addInput } from './mel.ts'
import { addCut, windowAt } from './windows.ts'

/** A trained model of sounds. */
export type SoundModel = LoadedModel<Preprocessing, Body>

/** Reads a trained model of sounds: a run folder (its best weights), or a saved model. */
export const openSoundModel = (run: string): SoundModel =>
  openNet<Preprocessing, Body>(run, 'sounds', { build: networkOf, isPreprocessing })

/** The name of the graph's input. */
export const soundInput = 'samples'

/** A model of sounds in a graph. */
export interface SoundGraph {
  graph: Graph
  /** Width of the output `features`; absent for an average of nets, as the output `parts`. */
  features?: number
}

/** Writes a model of sounds as a graph: `samples` in, float [N, samples]: N recordings of one length, whatever it is, at the
 *  model's rate; answers out. A loop takes one window after another, so that a long recording needs the memory of one
 *  window. A model of one net has the outputs `features` (the mean over windows) and `parts`: float [N, windows, K], what each
 *  window was heard as. change: what is done
 *  to the nets, each with its windows, before they are used. */
export function soundGraph({ card, members }: SoundModel, change?: (nets: Graph) => Graph): SoundGraph {
  const { rate } = card.preprocessing
  const odd = members.find(member => member.card.preprocessing.rate !== rate)
  if (odd)
    throw new ModelError(
      `its nets hear recordings at ${rate} and at ${odd.card.preprocessing.rate} Hz, and an exported model takes one rate. Export one of its folds, or train with one net for all folds (${option('model')} NAME).`,
    )
  const graph = new Graph()
  const samples = graph.input(soundInput, 'float', ['N', 'samples'])
  const kinds = [...new Map(members.map(m => [JSON.stringify(m.card.preprocessing), m.card.preprocessing])).values()]
  const found = new Map<Member<Preprocessing>, Heard>()
  for (const [k, how] of kinds.entries()) {
    const own = members.filter(m => JSON.stringify(m.card.preprocessing) === JSON.stringify(how))
    const heard = addLoop(graph, samples, how, own, { prefix: kinds.length > 1 ? `windows${k + 1}/` : '', change })
    for (const [i, member] of own.entries()) found.set(member, heard[i]!)
  }
  const each = members.map(member => found.get(member)!)
  addAnswers(
    graph,
    each.map(({ scores }) => scores),
    card,
  )
  if (members.length > 1) return { graph }
  const [{ features, parts }] = each as [Heard]
  const width = members[0]!.network.body.pooledFeatures
  graph.output(graph.add('Identity', [features], {}, 'features'), 'float', ['N', width])
  const named = graph.add('Transpose', [parts], { perm: [1, 0, 2] }, 'parts')
  graph.output(named, 'float', ['N', 'windows', card.classes.length])
  return { graph, features: width }
}

/** The name of the input of the net alone. */
export const spectraInput = 'spectra'

/** The preprocessing of all nets, if they hear alike; the net alone takes one kind of spectra. Throws if they do not. */
export function heardAlike({ members }: SoundModel, what: string): Preprocessing {
  const kinds = new Map(members.map(({ card }) => [JSON.stringify(card.preprocessing), card.preprocessing]))
  const [how, ...others] = kinds.values()
  if (others.length === 0) return how!
  throw new ModelError(
    `${what}: its nets hear windows of ${kinds.size} kinds, and here they must hear alike. Leave it out, export one of its folds, or train with one net for all folds (${option('model')} NAME).`,
  )
}

/** Writes the nets of a model of sounds alone as a graph: `spectra` of windows in, float [N, …inputShape], and the answer for each
 *  window out. */
export function soundNetGraph(model: SoundModel): SoundGraph {
  const { card, members } = model
  const how = heardAlike(model, option('net'))
  const graph = new Graph()
  const x = graph.input(spectraInput, 'float', ['N', ...inputShape(how)])
  const several = members.length > 1
  const each = members.map((member, i) => addNet(graph, member, x, several ? `member${i + 1}/` : ''))
  addAnswers(
    graph,
    each.map(({ scores }) => scores),
    card,
  )
  if (several) return { graph }
  const width = members[0]!.network.body.pooledFeatures
  graph.output(graph.add('Identity', [each[0]!.features], {}, 'features'), 'float', ['N', width])
  return { graph, features: width }
}

/** A net from its input to its answers for windows. */
function addNet(graph: Graph, { card, network }: SoundModel['members'][number], x: string, prefix: string) {
  const shape = inputShape(card.preprocessing) as unknown as PictureShape
  const { features, logits } = networkGraph(graph, network, x, shape, { model: card.architecture, prefix })
  return { features, scores: activated(graph, { logits, card }) }
}

/** What a net hears in recordings: means over the windows, [N, K] and [N, features]; and each window, [windows, N, K]. */
interface Heard {
  scores: string
  features: string
  parts: string
}

/** The windows of recordings through nets that take equal inputs. */
function addLoop(
  graph: Graph,
  samples: string,
  how: Preprocessing,
  members: SoundModel['members'],
  { prefix, change = nets => nets }: { prefix: string; change: ((nets: Graph) => Graph) | undefined },
): Heard[] {
  const cut = addCut(graph, samples, how.samples, prefix)
  const body = graph.branch()
  const number = body.input(`${prefix}window/number`, 'int64', [])
  const go = body.input(`${prefix}window/go`, 'bool', [])
  const sums: { before: string; after: string; width: number }[] = []
  const carried = (value: string, width: number, name: string) => {
    const before = body.input(`${prefix}window/${name}`, 'float', ['N', width])
    sums.push({ before, after: body.add('Add', [before, value], {}, `${prefix}window/sum`), width })
  }
  const window = windowAt(body, cut, number, prefix)
  const x = addInput(body, window, how, prefix)
  const nets = members.map((member, i) =>
    addNet(body, member, x, members.length > 1 ? `${prefix}member${i + 1}/` : prefix),
  )
  const answers = nets.map(({ scores, features }, i) => {
    const { card, network } = members[i]!
    carried(scores, card.classes.length, `scores${i + 1}`)
    carried(features, network.body.pooledFeatures, `features${i + 1}`)
    return body.add('Identity', [scores], {}, `${prefix}window/answer`)
  })
  body.output(body.add('Identity', [go], {}, `${prefix}window/go-on`), 'bool', [])
  for (const { after, width } of sums) body.output(after, 'float', ['N', width])
  for (const [i, answer] of answers.entries()) body.output(answer, 'float', ['N', members[i]!.card.classes.length])

  const count = graph.add('Shape', [samples], { start: 0, end: 1 }, `${prefix}recordings`)
  const zeros = sums.map(({ width }) => {
    const shape = graph.add('Concat', [count, graph.ints(`${prefix}width`, [width])], { axis: 0 }, `${prefix}shape`)
    return graph.add('ConstantOfShape', [shape], {}, `${prefix}zeros`)
  })
  const all = graph.addMany(
    'Loop',
    [cut.count, undefined, ...zeros],
    sums.length + answers.length,
    { body: change(body) },
    `${prefix}windows`,
  )
  const windows = graph.add('Cast', [cut.count], { to: 1 }, `${prefix}count`)
  const mean = (sum: string) => graph.add('Div', [sum, windows], {}, `${prefix}mean`)
  return members.map((_, i) => ({
    scores: mean(all[2 * i]!),
    features: mean(all[2 * i + 1]!),
    parts: all[sums.length + i]!,
  }))
}
