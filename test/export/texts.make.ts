// Little saved models of texts, for tests of their export, of the runtime and of the server.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { networkOf } from '../../src/text/domain/card.ts'
import type { BertConfig } from '../../src/text/net/config.ts'
import type { TextPreprocessing } from '../../src/text/types.ts'
import { manualSeed, nn, noGrad } from '../../src/torch/index.ts'
import { type ModelCard, saveModel } from '../../src/train/saved-model.ts'

export const tokenizer = readFileSync(new URL('../golden/text-tokenizer.json', import.meta.url), 'utf8')

/** A BERT of two layers with windows of few tokens. */
export const littleBert: BertConfig = {
  kind: 'bert',
  layers: 2,
  width: 16,
  heads: 4,
  inner: 32,
  activation: 'gelu',
  eps: 1e-12,
  vocabulary: 60,
  positions: 12,
  firstPosition: 0,
  types: 2,
  dropout: 0.1,
  attentionDropout: 0.1,
  pooling: 'mean',
  begin: 1,
  end: 2,
  window: 12,
}

const folder = mkdtempSync(join(tmpdir(), 'anneal-export-text-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

/** Saves a net of random weights with its card, as a run does; returns the path without ending. */
export function savedText({
  config = {},
  card = {},
  maxTokens = 50,
  seed = 1,
  at = join(mkdtempSync(join(folder, 'model-')), 'best'),
}: {
  config?: Partial<BertConfig>
  card?: Partial<ModelCard>
  maxTokens?: number
  seed?: number
  at?: string
} = {}): string {
  const preprocessing: TextPreprocessing = { config: { ...littleBert, ...config }, tokenizer, maxTokens }
  const whole: ModelCard<TextPreprocessing> = {
    format: 'anneal-classifier',
    version: 1,
    domain: 'texts',
    architecture: 'little',
    head: { hidden: [], dropout: 0.5 },
    classes: ['bad', 'good', '최고'],
    metrics: { accuracy: 0.5 },
    anneal: '0',
    ...card,
    preprocessing,
  }
  manualSeed(seed)
  const { net } = networkOf(whole)
  noGrad(() => {
    for (const [name, t] of net.stateDict())
      if (/word_embeddings/.test(name)) t.mul_(50)
      else if (/running_var/.test(name)) t.fill_(1.5)
      else if (/bias|running_mean/.test(name)) nn.init.normal_(t, { std: 0.3 })
  })
  saveModel(at, net.stateDict(), whole)
  return at
}

/** Saves an average of several such nets. */
export function savedAverage(parts: readonly Parameters<typeof savedText>[0][], card: Partial<ModelCard> = {}): string {
  const home = mkdtempSync(join(folder, 'average-'))
  const members = parts.map((part, i) => basename(savedText({ ...part, seed: i + 1, at: join(home, `fold${i}`) })))
  return savedText({ ...parts[0], card: { ...parts[0]?.card, ...card, members }, at: join(home, 'best') })
}
