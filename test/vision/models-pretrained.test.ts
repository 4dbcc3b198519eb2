import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import sharp from 'sharp'
import { AnnealError } from '../../src/base/errors.ts'
import { fetchFile } from '../../src/base/fetch.ts'
import {
  canHave,
  chooseModel,
  loadPretrained,
  models,
  model as named,
  pretrainedState,
} from '../../src/models/index.ts'
import { fromArray, noGrad, scope, type Tensor } from '../../src/torch/index.ts'
import { type StoredTensor, writeSafetensors } from '../../src/weights/index.ts'

const golden = JSON.parse(readFileSync(new URL('../golden/models.json', import.meta.url), 'utf8')).real as Record<
  string,
  { mean: number[]; std: number[]; first: number[]; norm: number; top5: number[]; top5Logits: number[] }
>
const lites = ['tf_efficientnet_lite0', 'tf_efficientnet_lite1', 'tf_efficientnet_lite2'] as const

for (const name of lites)
  test(`${name} with its real weights gives the reference logits of a photo`, async t => {
    const state = await pretrainedState(name).catch(error => {
      if (error instanceof AnnealError) return error
      throw error
    })
    if (state instanceof Error) return t.skip(state.message)
    const { build, mean, std } = named(name)
    const expected = golden[name]!
    assert.deepEqual([mean, std], [expected.mean, expected.std])
    const model = build()
    assert.deepEqual([...state.keys()], [...model.stateDict().keys()])
    assert.deepEqual(loadPretrained(model, state), [])
    const x = await photo(mean, std)
    scope(() => {
      const y = noGrad(() => model.eval()(x)).numbers()
      const best = y.map((_, i) => i).sort((a, b) => y[b]! - y[a]!)
      assert.deepEqual(best.slice(0, 5), expected.top5)
      for (const [i, value] of expected.first.entries())
        assert.ok(Math.abs(y[i]! - value) < 1e-4, `logit ${i}: ${y[i]}`)
      assert.ok(Math.abs(Math.hypot(...y) - expected.norm) < 1e-3, 'Math.abs(Math.hypot(...y) - expected.norm) < 1e-3')
    })
  })

/** photo.png as x: [1, 3, 224, 224]. */
async function photo(mean: readonly number[], std: readonly number[]): Promise<Tensor> {
  const file = new URL('../golden/photo.png', import.meta.url).pathname
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const area = info.width * info.height
  const planes = Float32Array.from({ length: 3 * area }, (_, i) => {
    const c = Math.floor(i / area)
    return (data[3 * (i % area) + c]! / 255 - mean[c]!) / std[c]!
  })
  return fromArray(planes, [1, 3, info.height, info.width])
}

test("the other port's names of EfficientNet-Lite0, Lite1 and Lite2 become timm's", () => {
  const common = {
    '_conv_stem.weight': 'conv_stem.weight',
    '_bn0.running_var': 'bn1.running_var',
    '_blocks.0._depthwise_conv.weight': 'blocks.0.0.conv_dw.weight',
    '_blocks.0._bn1.bias': 'blocks.0.0.bn1.bias',
    '_blocks.1._expand_conv.weight': 'blocks.1.0.conv_pw.weight',
    '_bn1.weight': 'bn2.weight',
    '_fc.bias': 'classifier.bias',
    '_blocks.21._bn0.weight': '_blocks.21._bn0.weight',
    'blocks.0.0.bn1.bias': 'blocks.0.0.bn1.bias',
  }
  const deeper = {
    '_blocks.3._bn0.num_batches_tracked': 'blocks.1.2.bn1.num_batches_tracked',
    '_blocks.7._depthwise_conv.weight': 'blocks.3.0.conv_dw.weight',
    '_blocks.15._project_conv.weight': 'blocks.5.0.conv_pwl.weight',
    '_blocks.20._project_conv.weight': 'blocks.6.0.conv_pwl.weight',
  }
  const names = {
    tf_efficientnet_lite0: {
      ...common,
      '_blocks.3._bn0.num_batches_tracked': 'blocks.2.0.bn1.num_batches_tracked',
      '_blocks.7._depthwise_conv.weight': 'blocks.3.2.conv_dw.weight',
      '_blocks.15._project_conv.weight': 'blocks.6.0.conv_pwl.weight',
      '_blocks.16._bn0.weight': '_blocks.16._bn0.weight',
    },
    tf_efficientnet_lite1: { ...common, ...deeper },
    tf_efficientnet_lite2: { ...common, ...deeper },
  }
  for (const name of lites)
    assert.deepEqual(Object.keys(names[name]).map(models[name].rename!), Object.values(names[name]), name)
})

test('files with the older names of DenseNet and ViT load', async t => {
  assert.deepEqual(
    [
      'encoder.layers.encoder_layer_10.mlp.linear_1.weight',
      'encoder.layers.encoder_layer_0.mlp.linear_2.bias',
      'encoder.layers.encoder_layer_0.mlp.3.bias',
      'encoder.ln.bias',
    ].map(models.vit_b_16!.rename!),
    [
      'encoder.layers.encoder_layer_10.mlp.0.weight',
      'encoder.layers.encoder_layer_0.mlp.3.bias',
      'encoder.layers.encoder_layer_0.mlp.3.bias',
      'encoder.ln.bias',
    ],
  )
  const file = join(temporary(t), 'old.safetensors')
  const saved = models.densenet121!.build({ classes: 0 })
  const old = [...saved.stateDict()]
    .filter(([key]) => !key.endsWith('num_batches_tracked'))
    .map(([key, value]): [string, Tensor] => [key.replace(/(denselayer\d+\.(?:norm|conv))/, '$1.'), value])
  writeSafetensors(file, stored(new Map(old)))
  const state = await pretrainedState('densenet121', { file })
  const body = models.densenet121!.build({ classes: 0 })
  assert.deepEqual(loadPretrained(body, state), [])
  for (const key of ['features.conv0.weight', 'features.denseblock4.denselayer16.conv2.weight', 'features.norm5.bias'])
    assert.deepEqual(body.stateDict().get(key)!.numbers(), saved.stateDict().get(key)!.numbers(), key)
  assert.deepEqual([...body.stateDict().keys()].map(models.densenet121!.rename!), [...body.stateDict().keys()])
})

test("a user's own file serves as weights; a missing one says so", async t => {
  const folder = temporary(t)
  const saved = models.squeezenet1_1!.build({ classes: 7 })
  const file = join(folder, 'mine.safetensors')
  writeSafetensors(file, stored(saved.stateDict()))
  const state = await pretrainedState('squeezenet1_1', { file })
  const body = models.squeezenet1_1!.build({ classes: 2 })
  assert.deepEqual(loadPretrained(body, state), ['classifier.1.weight', 'classifier.1.bias'])
  const key = 'features.3.squeeze.weight'
  assert.deepEqual(body.stateDict().get(key)!.numbers(), saved.stateDict().get(key)!.numbers())
  await assert.rejects(pretrainedState('squeezenet1_1', { file: join(folder, 'no.pth') }), /there is no such file/)
})

const stored = (state: Map<string, Tensor>) =>
  new Map(
    [...state].map(([key, t]): [string, StoredTensor] => {
      const { buffer, byteOffset, byteLength } = t.data()
      const data = new Uint8Array(buffer, byteOffset, byteLength)
      return [key, { dtype: t.dtype as StoredTensor['dtype'], shape: t.shape, data }]
    }),
  )

test('auto is resnet34 where its weights are cached or can be reached, else the one from pip, and says so', async t => {
  const cache = ownCache(t)
  const lines: string[] = []
  const report = (notice: object) => 'line' in notice && lines.push(String(notice.line))
  const network = t.mock.method(globalThis, 'fetch', async () => {
    throw new TypeError('fetch failed')
  })
  assert.equal(await canHave('resnet34'), false)
  assert.equal(await chooseModel('auto', { report }), 'tf_efficientnet_lite0')
  assert.match(lines.join(), /tf_efficientnet_lite0: the weights of resnet34 are not here and \S+ does not answer/)
  assert.equal(await chooseModel('auto', { report, pretrained: false }), 'resnet34')
  network.mock.mockImplementation(async () => new Response(null, { status: 200 }))
  assert.equal(await chooseModel('auto', { report }), 'resnet34')
  network.mock.restore()
  mkdirSync(join(cache, 'weights'), { recursive: true })
  writeFileSync(join(cache, 'weights', 'resnet34-b627a593.pth'), '')
  assert.equal(await chooseModel('auto', { report }), 'resnet34')
  assert.equal(lines.length, 1)
  assert.equal(await chooseModel('resnet50', { report }), 'resnet50')
  await assert.rejects(chooseModel('resnet51'), /Did you mean "resnet50"/)
})

test('weights that cannot be had: the error says why and what can be done', async t => {
  ownCache(t)
  t.mock.method(globalThis, 'fetch', async () => new Response(null, { status: 404 }))
  await assert.rejects(pretrainedState('resnet18'), (error: Error) => {
    assert.ok(error instanceof AnnealError, 'error instanceof AnnealError')
    for (const part of [/resnet18 are not available/, /answered 404/, /tf_efficientnet_lite0 \(through pip\)/])
      assert.match(error.message, part)
    for (const part of [/weights: "FILE"/, /pretrained: false/]) assert.match(error.message, part)
    return true
  })
})

test('a file that was published with a sha512 only is checked by it', async t => {
  const content = 'weights'
  const server = createServer((_, response) => response.end(content)).listen(0)
  t.after(() => server.close())
  const url = `http://localhost:${(server.address() as AddressInfo).port}/w.pth`
  const sha512 = createHash('sha512').update(content).digest('hex')
  const folder = temporary(t)
  const pinned = { url, what: 'w', licence: 'none' }
  const to = await fetchFile({ ...pinned, sha512 }, { to: join(folder, 'right.pth') })
  assert.equal(readFileSync(to, 'utf8'), content)
  const wrong = fetchFile({ ...pinned, sha512: sha512.replace(/^./, 'x') }, { to: join(folder, 'wrong.pth') })
  await assert.rejects(wrong, /pinned digest sha512/)
})

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'anneal-models-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

function ownCache(t: TestContext): string {
  const before = process.env.ANNEAL_CACHE
  t.after(() => {
    if (before === undefined) delete process.env.ANNEAL_CACHE
    else process.env.ANNEAL_CACHE = before
  })
  return (process.env.ANNEAL_CACHE = temporary(t))
}
