// onnxruntime-node sends nothing to its maker, and leaves no number in the home folder, in the ways in which Anneal loads it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { colourModel } from '../helpers/served.ts'
import { root } from '../helpers/sources.ts'

const folder = mkdtempSync(join(tmpdir(), 'anneal-ort-'))
after(() => rmSync(folder, { recursive: true }))

/** Runs a program with an empty home. Returns what it printed, and the files in its home. onnxruntime sends nothing in CI, so the
 *  program does not learn that it runs there. */
function atHome(script: string): { said: string; files: string[] } {
  const home = mkdtempSync(join(folder, 'home-'))
  const { CI, GITHUB_ACTIONS, TF_BUILD, XDG_CACHE_HOME, ORT_DISABLE_TELEMETRY, ...rest } = process.env
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: root,
    env: { ...rest, HOME: home },
    encoding: 'utf8',
  })
  return { said: `${stdout}${stderr}`, files: readdirSync(home, { recursive: true, encoding: 'utf8' }) }
}

const model = join(folder, 'model.onnx')
writeFileSync(model, colourModel())
const path = JSON.stringify(model)
const ways = {
  'the check of an export': `(await (await import('./src/export/runtimes.ts')).load('onnxruntime-node', readFileSync(${path}))).name`,
  '@anneal/run': `(await (await import('./src/runtime/node.ts')).load(${path})).kind`,
  'anneal serve, whose nets run in a thread': `(await (await import('./src/serve/load.ts')).load(${path})).kind`,
}

describe('onnxruntime-node keeps to this machine', () => {
  for (const [way, script] of Object.entries(ways))
    test(way, () => {
      const { said, files } = atHome(
        `import { readFileSync } from 'node:fs'; console.log('loaded', ${script}); process.exit(0)`,
      )
      assert.match(said, /^loaded (picture|onnxruntime-node \d)/m, said)
      assert.deepEqual(files, [], said)
    })
  test('a value that a person gave stays', () => {
    const script = `process.env.ORT_DISABLE_TELEMETRY = '0'; (await import('./src/runtime/ort-node.ts')).withoutTelemetry(); console.log('value ' + process.env.ORT_DISABLE_TELEMETRY)`
    assert.match(atHome(script).said, /value 0/)
  })
})
