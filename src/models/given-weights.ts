import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ModelError } from '../base/errors.ts'
import { readWeights, type StoredTensor } from '../weights/index.ts'

/** The file of weights that a user names: a file, or the folder of a run (its best weights). Throws for a folder without
 *  them. */
export function weightsFile(given: string): string {
  if (!statSync(given, { throwIfNoEntry: false })?.isDirectory()) return given
  const best = join(given, 'best.safetensors')
  if (existsSync(best)) return best
  throw new ModelError(
    existsSync(join(given, 'best.json'))
      ? `${given}: its model is the average of several nets; name the weights of one of them: a file of its folder that ends with .safetensors.`
      : `${given}: holds no best.safetensors. Expected a file of weights (.safetensors or .pth) or the folder of a run.`,
  )
}

/** The architecture of weights that a run of ours saved, from the card beside them; undefined for other files. */
export function savedArchitecture(given: string): string | undefined {
  const file = weightsFile(given)
  const card = file.replace(/\.safetensors$/, '.json')
  if (card === file || !existsSync(card)) return undefined
  try {
    const { format, architecture } = JSON.parse(readFileSync(card, 'utf8'))
    return format === 'anneal-classifier' && typeof architecture === 'string' ? architecture : undefined
  } catch {
    return undefined // a file of another program
  }
}

/** Reads weights that a user names. Those of a run of ours are a body and a head: the names of the body are those of the
 *  model, and the head, which is for other classes, is left out. */
export function readGivenWeights(given: string): Map<string, StoredTensor> {
  const state = readWeights(weightsFile(given))
  const names = [...state.keys()]
  const isOurs = names.some(name => name.startsWith('body.')) && names.every(name => /^(body|head)\./.test(name))
  if (!isOurs) return state
  return new Map(
    Array.from(state).flatMap(([name, tensor]) =>
      name.startsWith('body.') ? [[name.slice('body.'.length), tensor] as const] : [],
    ),
  )
}
