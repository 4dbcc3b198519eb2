import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, ensureFolder, writeAtomic } from '../base/files.ts'

const settings = `<?xml version="1.0"?>
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>/usr/local/share/fonts</dir>
  <dir prefix="xdg">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`

/** Call it before letters are drawn. Slim images of containers have no settings of fontconfig, and sharp's would print
 *  "Fontconfig error: Cannot load default config file". They get settings in the cache. `usual`: where fontconfig looks for
 *  them. */
export function prepareFonts(usual = '/etc/fonts/fonts.conf'): void {
  const { FONTCONFIG_FILE, FONTCONFIG_PATH } = process.env
  if (process.platform !== 'linux' || FONTCONFIG_FILE || FONTCONFIG_PATH || existsSync(usual)) return
  const file = join(ensureFolder(cacheFolder('fonts')), 'fonts.conf')
  if (!existsSync(file)) writeAtomic(file, settings)
  process.env.FONTCONFIG_FILE = file
}
