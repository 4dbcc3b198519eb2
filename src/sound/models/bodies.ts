import { ModelError } from '../../base/errors.ts'
import { option, setting } from '../../base/options.ts'
import type { Report } from '../../base/progress.ts'
import {
  canHave,
  chooseModel,
  loadPretrained,
  models,
  model as pictureModel,
  pretrainedState,
  readGivenWeights,
} from '../../models/index.ts'
import { nn } from '../../torch/index.ts'
import type { Body } from '../../train/network.ts'
import type { StoredTensor } from '../../weights/index.ts'
import { speechEmbedding, speechEmbeddingName, speechState, speechWeights } from './speech-embedding.ts'

/** Whether a name is that of the speech embedding; all others are nets for pictures. */
export const isSpeech = (name: string): boolean => name === speechEmbeddingName

/** Throws for a name that is no body for sounds. */
export function checkBody(name: string): void {
  if (isSpeech(name)) return
  const pictures = Object.keys(models).filter(known => pictureModel(known).sizes === 'any')
  if (Object.hasOwn(models, name) && !pictures.includes(name))
    throw new ModelError(
      `${option('model')} ${name}: it is built for square pictures of one size, and a spectrogram is as wide as its sound is long. Take ${speechEmbeddingName}, or a net that takes any size: ${pictures.slice(0, 8).join(', ')}, …`,
    )
  if (!Object.hasOwn(models, name))
    throw new ModelError(
      `no model for sounds is called "${name}". Known models: ${speechEmbeddingName} (speech), and nets for pictures on spectrograms: ${pictures.join(', ')}`,
    )
}

/** Makes a body, without its weights. */
export const buildBody = (name: string): Body =>
  isSpeech(name) ? speechEmbedding() : pictureModel(name).build({ classes: 0, channels: 3 })

/** Makes a body with pretrained weights: from `file`, else fetched. */
export async function pretrainedBody(
  name: string,
  { file, report, signal }: { file?: string | undefined; report: Report; signal?: AbortSignal | undefined },
): Promise<Body> {
  if (isSpeech(name)) {
    const state = await speechStateFrom(file, report, signal)
    const body = nn.init.undrawn(() => speechEmbedding())
    body.loadStateDict(state)
    return body
  }
  const state = await pretrainedState(name, { ...(file === undefined ? {} : { file }), report, signal })
  const body = nn.init.undrawn(() => pictureModel(name).build({ classes: 0, channels: 3 }))
  loadPretrained(body, state)
  return body
}

async function speechStateFrom(
  file: string | undefined,
  report: Report,
  signal?: AbortSignal,
): Promise<Map<string, StoredTensor>> {
  const path =
    file ??
    (await speechWeights.fetch(report, signal).catch(cause => {
      throw new ModelError(
        `the weights of ${speechEmbeddingName} are not available: ${(cause as Error).message}. Give a file (${setting('weights', 'embedding_model.onnx')}), take a net for pictures (${option('model')}), or begin without (${setting('pretrained', false)})`,
        { cause },
      )
    }))
  const state = path.endsWith('.onnx') ? speechState(path) : readGivenWeights(path)
  const known = new Set(speechEmbedding().stateDict().keys())
  const own = [...state.keys()].filter(name => known.has(name))
  if (own.length !== known.size)
    throw new ModelError(
      `${path} holds ${own.length} of the ${known.size} weights of ${speechEmbeddingName}; expected embedding_model.onnx of openWakeWord, or weights with the names ${[...known].slice(0, 2).join(', ')}, …`,
    )
  return state
}

/** The bodies that can be compared: the speech embedding, and one net for pictures, if their weights are here or can be
 *  fetched within a few seconds. */
export async function reachable(report: Report): Promise<string[]> {
  const [speech, picture] = [speechWeights.available(), chooseModel('auto', { report })]
  const name = await picture
  return [...((await speech) ? [speechEmbeddingName] : []), ...((await canHave(name)) ? [name] : [])]
}
