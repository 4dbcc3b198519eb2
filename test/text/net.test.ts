import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { bert } from '../../src/text/net/bert.ts'
import { openCheckpoint, readCheckpoint } from '../../src/text/net/checkpoint.ts'
import type { BertConfig } from '../../src/text/net/config.ts'
import { minilmSource } from '../../src/text/net/minilm.ts'
import { tokensOf } from '../../src/text/net/tokens.ts'
import { fromArray, liveTensors, nn, noGrad, scope, type Tensor } from '../../src/torch/index.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { formulaValues } from '../golden/formula.ts'

interface Golden {
  cases: {
    name: string
    config: Omit<BertConfig, 'kind' | 'dropout' | 'attentionDropout' | 'firstPosition'> & { first: number }
    texts: number[][]
    vectors: number[][]
  }[]
  tokens: { text: string; ids: number[] }[]
  real: { text: string; vector: number[] }[]
}
const read = (name: string) => JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8'))
const golden: Golden = read('text.json')

const configOf = ({ config: { first, ...config }, name }: Golden['cases'][number]): BertConfig => ({
  ...config,
  kind: name,
  firstPosition: first,
  dropout: 0.1,
  attentionDropout: 0.1,
})

/** Rows of token numbers, then -1. */
function batch(texts: readonly (readonly number[])[]): Tensor {
  const width = Math.max(1, ...texts.map(t => t.length))
  const x = new Int32Array(texts.length * width).fill(-1)
  for (const [i, ids] of texts.entries()) x.set(ids, i * width)
  return fromArray(x, [texts.length, width])
}

function filled(config: BertConfig) {
  const net = nn.init.undrawn(() => bert(config))
  const state = new Map(
    Array.from(net.stateDict(), ([name, t]) => [name, fromArray(formulaValues(name, t.shape), t.shape)] as const),
  )
  net.loadStateDict(state)
  net.eval()
  return net
}

const vectors = (net: ReturnType<typeof bert>, texts: readonly (readonly number[])[]): Float32Array =>
  noGrad(() => scope(() => net.embed(batch(texts)).data() as Float32Array))

for (const one of golden.cases)
  test(`${one.name}: texts of all lengths, in one batch and alone, are those of the plain net in float64`, () => {
    const config = configOf(one)
    const net = filled(config)
    const together = vectors(net, one.texts)
    for (const [i, text] of one.texts.entries()) {
      const alone = vectors(net, [text])
      for (const [at, expected] of one.vectors[i]!.entries()) {
        const got = together[i * config.width + at]!
        assert.ok(Math.abs(got - expected) < 1e-5, `text ${i}, value ${at}: ${got}, expected ${expected}`)
        assert.ok(Math.abs(alone[at]! - expected) < 1e-5, `text ${i} alone, value ${at}: ${alone[at]}`)
      }
    }
  })

test('a net frees its tensors, its gradients reach every weight, and dropout acts in training alone', () => {
  const config = configOf(golden.cases[0]!)
  const net = filled(config)
  const texts = golden.cases[0]!.texts
  vectors(net, texts)
  const before = liveTensors()
  const one = vectors(net, texts)
  assert.equal(liveTensors(), before)
  assert.deepEqual(vectors(net, texts), one)
  net.train()
  const noisy = vectors(net, texts)
  assert.ok(
    noisy.some((v, i) => Math.abs(v - one[i]!) > 1e-3),
    'dropout changed nothing',
  )
  net.eval()
  scope(() => net.pooled(batch(texts)).select(1, 3).sum().backward())
  const still = [...net.namedParameters()].filter(([, p]) => p.grad === null || p.grad.abs().sum().item() === 0)
  // A key's bias moves all scores of a row alike, so softmax does not see it.
  assert.deepEqual(
    still.map(([name]) => name).filter(name => !name.endsWith('key.bias')),
    [],
  )
  assert.deepEqual(net.groups, [['embeddings'], ['encoder.layer.0'], ['encoder.layer.1'], ['encoder.layer.2']])
})

test('tokens are those of the Rust library, without the truncation and padding of the file', async () => {
  const tokens = await tokensOf(read('text-tokenizer.json'))
  for (const { text, ids } of golden.tokens) assert.deepEqual([...tokens.of(text)], ids, JSON.stringify(text))
  const long = 'the film '.repeat(5000)
  assert.equal(tokens.of(long).length, 10_000)
})

test('all-MiniLM-L6-v2, where it was fetched before, has the values of the plain net', {
  skip: minilmSource.cached() ? false : 'not fetched on this machine',
}, async () => {
  const { config, tokenizer, weights } = await openCheckpoint('auto')
  const net = nn.init.undrawn(() => bert(config))
  net.loadStateDict(weights)
  net.eval()
  const tokens = await tokensOf(tokenizer)
  const got = vectors(
    net,
    golden.real.map(({ text }) => [...tokens.of(text)]),
  )
  for (const [i, { text, vector }] of golden.real.entries())
    for (const [at, expected] of vector.entries())
      assert.ok(
        Math.abs(got[i * 384 + at]! - expected) < 1e-5,
        `${text.slice(0, 30)}: ${got[i * 384 + at]}, ${expected}`,
      )
  assert.equal(got[0]!.toFixed(5), '0.06766')
})

const folder = mkdtempSync(join(tmpdir(), 'anneal-text-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const bertJson = {
  model_type: 'bert',
  hidden_size: 32,
  num_attention_heads: 4,
  num_hidden_layers: 3,
  intermediate_size: 48,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  vocab_size: 60,
  max_position_embeddings: 20,
  type_vocab_size: 2,
}

/** A checkpoint's folder with weights of the plain formula, under other names where `rename` says so. */
function checkpoint(
  name: string,
  config: object,
  { rename = (own: string) => own, types = 2 }: { rename?: (own: string) => string; types?: number } = {},
): string {
  const at = join(folder, name)
  mkdirSync(at)
  writeFileSync(join(at, 'config.json'), JSON.stringify(config))
  writeFileSync(join(at, 'tokenizer.json'), JSON.stringify(read('text-tokenizer.json')))
  const net = filled({ ...configOf(golden.cases[0]!), types })
  const state = new Map(
    Array.from(net.stateDict(), ([key, t]) => [
      rename(key),
      { dtype: 'float32' as const, shape: t.shape, data: new Uint8Array((t.data() as Float32Array).buffer) },
    ]),
  )
  writeSafetensors(join(at, 'model.safetensors'), state)
  return at
}

test("a user's checkpoint is read under the names of other classes and of DistilBERT", () => {
  const distil: readonly (readonly [string, string])[] = [
    ['encoder.layer.', 'distilbert.transformer.layer.'],
    ['.attention.self.query.', '.attention.q_lin.'],
    ['.attention.self.key.', '.attention.k_lin.'],
    ['.attention.self.value.', '.attention.v_lin.'],
    ['.attention.output.dense.', '.attention.out_lin.'],
    ['.attention.output.LayerNorm.', '.sa_layer_norm.'],
    ['.intermediate.dense.', '.ffn.lin1.'],
    ['.output.dense.', '.ffn.lin2.'],
    ['.output.LayerNorm.', '.output_layer_norm.'],
  ]
  const {
    hidden_size: dim,
    num_attention_heads: n_heads,
    num_hidden_layers: n_layers,
    intermediate_size: hidden_dim,
  } = bertJson
  const folders = [
    checkpoint('plain', bertJson),
    checkpoint('with-head', bertJson, { rename: own => `bert.${own}` }),
    checkpoint('tensorflow', bertJson, {
      rename: own => own.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
    }),
  ]
  const first = golden.cases[0]!
  for (const at of folders) {
    const { config, weights, name } = readCheckpoint(at)
    const net = nn.init.undrawn(() => bert(config))
    net.loadStateDict(weights)
    net.eval()
    assert.equal(config.window, 20, name)
    const got = vectors(net, [first.texts[3]!])
    for (const [i, v] of first.vectors[3]!.entries())
      assert.ok(Math.abs(got[i]! - v) < 1e-5, `${name}: ${got[i]}, ${v}`)
  }
  const at = checkpoint(
    'distil',
    { model_type: 'distilbert', dim, n_heads, n_layers, hidden_dim, vocab_size: 60, max_position_embeddings: 20 },
    {
      types: 0,
      rename: own => {
        const named = distil.reduce((n, [from, to]) => n.replace(from, to), own)
        return named === own ? `distilbert.${own}` : named
      },
    },
  )
  mkdirSync(join(at, '1_Pooling'))
  writeFileSync(join(at, '1_Pooling', 'config.json'), JSON.stringify({ pooling_mode_cls_token: true }))
  const { config, weights } = readCheckpoint(at)
  const net = nn.init.undrawn(() => bert(config))
  net.loadStateDict(weights)
  net.eval()
  const third = golden.cases[2]!
  const got = vectors(net, [third.texts[3]!])
  for (const [i, v] of third.vectors[3]!.entries()) assert.ok(Math.abs(got[i]! - v) < 1e-5, `distil: ${got[i]}, ${v}`)
})

test('a checkpoint that it can not run is refused by name', async () => {
  const cases: [string, object, RegExp][] = [
    ['mpnet', { ...bertJson, model_type: 'mpnet' }, /model_type is "mpnet".*bert, roberta/s],
    ['relative', { ...bertJson, position_embedding_type: 'relative_key' }, /position_embedding_type is "relative_key"/],
    ['silu', { ...bertJson, hidden_act: 'silu' }, /hidden_act is "silu", expected gelu/],
    ['decoder', { ...bertJson, is_decoder: true }, /is_decoder/],
    ['odd', { ...bertJson, num_attention_heads: 5 }, /no multiple of num_attention_heads 5/],
    ['empty', {}, /model_type is "undefined"/],
    ['no-width', { ...bertJson, hidden_size: 'wide' }, /hidden_size is "wide", expected a whole number/],
  ]
  for (const [name, config, message] of cases)
    assert.throws(() => readCheckpoint(checkpoint(`bad-${name}`, config)), message, name)
  const bare = join(folder, 'bare')
  mkdirSync(bare)
  assert.throws(() => readCheckpoint(bare), /holds no config\.json/)
  writeFileSync(join(bare, 'config.json'), JSON.stringify(bertJson))
  assert.throws(() => readCheckpoint(bare), /holds no tokenizer\.json.*AutoTokenizer/)
  writeFileSync(join(bare, 'tokenizer.json'), '{')
  assert.throws(() => readCheckpoint(bare), /tokenizer\.json: is not valid JSON/)
  writeFileSync(join(bare, 'tokenizer.json'), '{}')
  assert.throws(() => readCheckpoint(bare), /holds no model\.safetensors/)
  await assert.rejects(openCheckpoint('bert-base'), /no model or folder "bert-base"; expected all-MiniLM-L6-v2/)
  await assert.rejects(openCheckpoint(join(bare, 'config.json')), /is a file; expected the folder/)
})
