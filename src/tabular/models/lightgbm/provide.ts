import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder, sweepOf } from '../../../base/archive.ts'
import { SetupError } from '../../../base/errors.ts'
import { cacheFolder } from '../../../base/files.ts'
import { withLock } from '../../../base/lock.ts'
import { pipDownload } from '../../../base/packages.ts'
import { type Report, silent } from '../../../base/progress.ts'
import { unzip } from '../../../base/zip.ts'
import { lightgbmPins, lightgbmVersion } from './pins.ts'

/** The path of LightGBM's shared library. Default: the one of the pinned wheel, which is fetched into the cache with pip
 *  if it is not there. `ANNEAL_LIGHTGBM` names another one. Throws if there is no wheel for this machine. */
export async function ensureLightgbm(report: Report = silent, signal?: AbortSignal): Promise<string> {
  const own = process.env.ANNEAL_LIGHTGBM
  if (own) {
    if (existsSync(own)) return own
    throw new SetupError(
      `ANNEAL_LIGHTGBM is "${own}", which does not exist; give the path of lib_lightgbm.so, or unset it to use LightGBM ${lightgbmVersion}`,
    )
  }
  const machine = `${process.platform}-${process.arch}`
  const pin = lightgbmPins[machine]
  if (!pin)
    throw new SetupError(
      `LightGBM: no library is pinned for ${machine}, only for ${Object.keys(lightgbmPins).join(', ')}; set ANNEAL_LIGHTGBM to the path of your own lib_lightgbm, or train another model (mlp, realmlp)`,
    )
  const folder = cacheFolder('lightgbm', lightgbmVersion)
  const path = join(folder, pin.library)
  if (existsSync(path)) return path
  await withLock(
    folder,
    async () => {
      if (existsSync(path)) return
      sweepOf(folder)
      const file = await pipDownload(pin, report, 'python3', signal)
      await makeFolder(folder, async temp => {
        await unzip(file, temp, name => {
          const [, kept] = /(?:^lightgbm\/lib\/|\.dist-info\/licenses\/)([^/]+)$/.exec(name) ?? []
          return kept === pin.library || kept === 'LICENSE' ? kept : undefined
        })
      })
      rmSync(file, { force: true })
    },
    holder => report({ line: `waiting for another process that fetches LightGBM: ${holder}` }),
    signal,
  )
  if (existsSync(path)) return path
  throw new SetupError(`LightGBM: ${folder} has no ${pin.library}; delete that folder and try again`)
}
