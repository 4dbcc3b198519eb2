import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tempFolder } from '../helpers/data.ts'

const script = (usual: string) => `
import sharp from 'sharp'
import { prepareFonts } from './src/report/fonts.ts'
prepareFonts(${JSON.stringify(usual)})
const letters = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><text x="2" y="15">abc</text></svg>'
const { data } = await sharp(Buffer.from(letters)).raw().toBuffer({ resolveWithObject: true })
console.log(process.env.FONTCONFIG_FILE, data.some(x => x > 0))`

test('where fontconfig has no settings, as in slim images, letters are drawn without a word on stderr', t => {
  const folder = tempFolder(t)
  const { FONTCONFIG_FILE: _, FONTCONFIG_PATH: __, ...env } = process.env
  const draw = (usual: string) => {
    const args = ['--import', 'tsx', '--input-type=module', '-e', script(usual)]
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      env: { ...env, ANNEAL_CACHE: folder },
      encoding: 'utf8',
    })
    return { drawn: stdout.trim(), stderr }
  }
  const file = join(folder, 'fonts', 'fonts.conf')
  assert.deepEqual(draw(join(folder, 'none')), { drawn: `${file} true`, stderr: '' })
  assert.match(readFileSync(file, 'utf8'), /<dir>\/usr\/share\/fonts<\/dir>/)
  assert.match(draw(import.meta.filename).drawn, /^undefined /, 'settings of the system stay in use')
})
