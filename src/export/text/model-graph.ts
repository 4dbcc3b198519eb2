import { Graph } from '../../onnx/index.ts'
import type { TextBody } from '../../text/net/bert.ts'
import type { TextPreprocessing } from '../../text/types.ts'
import type { LoadedModel } from '../../train/saved-model.ts'
import { functionGraph } from '../network.ts'
import { addOutputs } from '../outputs.ts'
import { addBert, type Lookup } from './net.ts'
import { addWindows, oneWindow, type Windows } from './windows.ts'

/** A trained model of texts. */
export type TextModel = LoadedModel<TextPreprocessing, TextBody>

/** The names of the graph's inputs. */
export const textInputs = { ids: 'input_ids', mask: 'attention_mask' } as const

/** Writes a model of texts as a graph: tokens in (`input_ids` and `attention_mask`, int64 [N, L]), answers out. A model of one
 *  net has the output `features`, too; `features` is its width. net: the net alone, whose rows are of one window. lookup: how the
 *  words' embeddings are stored. */
export function textGraph(
  { card, members }: TextModel,
  { net = false, lookup }: { net?: boolean; lookup?: Lookup | undefined } = {},
): { graph: Graph; features?: number } {
  const graph = new Graph()
  const given = {
    ids: graph.input(textInputs.ids, 'int64', ['N', 'L']),
    mask: graph.input(textInputs.mask, 'int64', ['N', 'L']),
  }
  const cut = new Map<string, Windows>()
  const several = members.length > 1
  const outputs = members.map(({ network, card: own }, i) => {
    const { config, maxTokens } = own.preprocessing
    const key = net ? '' : JSON.stringify([config.begin, config.end, config.window, config.vocabulary, maxTokens])
    const windows = cut.get(key) ?? (net ? oneWindow(graph, given) : addWindows(graph, given, config, maxTokens))
    cut.set(key, windows)
    const prefix = several ? `member${i + 1}/` : ''
    const features = addBert(graph, windows, {
      config,
      weights: network.body.stateDict(),
      prefix: `${prefix}body.`,
      lookup,
    })
    const names = new Map(Array.from(network.head.stateDict(), ([name, t]) => [t, `head.${name}`]))
    network.head.eval()
    const [logits] = functionGraph(graph, x => [network.head(x)], features, [network.body.pooledFeatures], {
      model: own.architecture,
      prefix,
      names,
    })
    return { card: own, logits: logits!, features }
  })
  addOutputs(graph, outputs, card)
  if (several) return { graph }
  const features = members[0]!.network.body.pooledFeatures
  graph.output(graph.add('Identity', [outputs[0]!.features], {}, 'features'), 'float', ['N', features])
  return { graph, features }
}
