// The files of the project in which tools/try-release.mjs tries a release.

export const pictures = `
import { mkdirSync } from 'node:fs'
import sharp from 'sharp'
for (const [name, background] of [['cats', '#c33'], ['dogs', '#36c']])
  for (let n = 0; n < 14; n++) {
    mkdirSync('photos/' + name, { recursive: true })
    const noise = Buffer.from(Array.from({ length: 48 * 48 * 3 }, (_, i) => (i * 37 * (n + 3)) % 90))
    const over = await sharp(noise, { raw: { width: 48, height: 48, channels: 3 } }).png().toBuffer()
    await sharp({ create: { width: 96 + n, height: 80, channels: 3, background } }).composite([{ input: over, left: n, top: n }]).jpeg().toFile('photos/' + name + '/' + n + '.jpg')
  }
`
const small = "{ model: 'squeezenet1_1', pretrained: false, size: 64, epochs: 0, views: 1, out: OUT }"
export const program = out => `const { trainFolder, loadClassifier } = ANNEAL
const { metrics, run } = await trainFolder('photos', ${small.replace('OUT', `'${out}'`)})
const classifier = loadClassifier(run, { task: 'single' })
const { label } = await classifier.predict('photos/cats/1.jpg')
await classifier.close()
if (typeof metrics.accuracy !== 'number' || !['cats', 'dogs'].includes(label)) throw new Error(label)
console.log(label)
`
export const strict = `import { type RunResult, trainFolder } from 'anneal'
import { ones, scope } from 'anneal/torch'

const { metrics, run }: RunResult = await trainFolder('photos', ${small.replace('OUT', "'runs/ts'")})
const accuracy: number | undefined = metrics.accuracy
const sum: number = scope(() => ones([2, 3]).sum().item())
console.log(run, accuracy, sum)
`
export const test = (from, name) => `${from}
test('trains', async () => {
  const { metrics, run } = await trainFolder('photos', ${small.replace('OUT', `'runs/${name}-' + Math.random()`)})
  expect(metrics.accuracy).toBeGreaterThanOrEqual(0)
  const classifier = loadClassifier(run)
  const { label } = await classifier.predict(new Uint8Array(require('node:fs').readFileSync('photos/cats/1.jpg')))
  expect(['cats', 'dogs']).toContain(label)
  const pixels = { data: new Float32Array(3 * 64 * 64), width: 64, height: 64 }
  expect(ones([3]).sum().item()).toBe(3)
  expect(fromArray(new Float32Array([1, 2]), [2]).sum().item()).toBe(3)
  await classifier.close()
}, 60_000)
`

export const serve = `
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
const [run] = process.argv.slice(2)
const server = spawn(process.execPath, ['node_modules/anneal/bin/anneal.mjs', 'serve', run, '--port', '8090'], { stdio: ['ignore', 'pipe', 'pipe'] })
let said = ''
for (const stream of [server.stdout, server.stderr]) stream.on('data', data => (said += data))
const ended = new Promise(resolve => server.on('exit', resolve))
const url = 'http://127.0.0.1:8090'
let ready = false
for (let tries = 0; tries < 120 && !ready && server.exitCode === null; tries++) {
  await new Promise(resolve => setTimeout(resolve, 500))
  ready = await fetch(url + '/v2/health/ready').then(answer => answer.ok, () => false)
}
if (!ready) throw new Error('not ready: ' + said)
const answer = await fetch(url + '/predict', { method: 'POST', body: readFileSync('photos/cats/1.jpg') })
const text = await answer.text()
server.kill('SIGTERM')
const code = await ended
if (code !== 0) throw new Error('after SIGTERM the exit code is ' + code + ': ' + said)
if (!answer.ok || !['cats', 'dogs'].includes(JSON.parse(text).label)) throw new Error(answer.status + ': ' + text + said)
console.log(text, 'exit code after SIGTERM:', code)
`
