// A little checkpoint and made texts, for tests of the domain of texts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bert } from '../../src/text/net/bert.ts'
import type { BertConfig } from '../../src/text/net/config.ts'
import { manualSeed, noGrad } from '../../src/torch/index.ts'
import { storedTensors } from '../../src/train/saved-model.ts'
import { writeSafetensors } from '../../src/weights/index.ts'

const tokenizer = JSON.parse(readFileSync(new URL('../golden/text-tokenizer.json', import.meta.url), 'utf8'))

/** Words that the little tokenizer knows. */
export const vocabulary = Object.keys(tokenizer.model.vocab).filter(word => /^[a-z]{2,}$/.test(word))

/** Writes a checkpoint of one small layer with random weights; returns its folder. */
export function littleCheckpoint(folder: string, { name = 'little', layers = 2 } = {}): string {
  const at = join(folder, name)
  mkdirSync(at, { recursive: true })
  const config: BertConfig = {
    kind: 'bert',
    layers,
    width: 32,
    heads: 4,
    inner: 64,
    activation: 'gelu',
    eps: 1e-12,
    vocabulary: 60,
    positions: 40,
    firstPosition: 0,
    types: 2,
    dropout: 0.1,
    attentionDropout: 0.1,
    pooling: 'mean',
    begin: 1,
    end: 2,
    window: 40,
  }
  manualSeed(1)
  const net = bert(config)
  const words = net.stateDict().get('embeddings.word_embeddings.weight')!
  noGrad(() => words.mul_(50))
  writeSafetensors(join(at, 'model.safetensors'), storedTensors(net.stateDict()))
  writeFileSync(
    join(at, 'config.json'),
    JSON.stringify({
      model_type: 'bert',
      hidden_size: 32,
      num_attention_heads: 4,
      num_hidden_layers: layers,
      intermediate_size: 64,
      vocab_size: 60,
      max_position_embeddings: 40,
      type_vocab_size: 2,
    }),
  )
  writeFileSync(join(at, 'tokenizer.json'), JSON.stringify(tokenizer))
  return at
}

/** Made texts: `good` ones have "believ" words, `bad` ones "un"; the other words are drawn. */
export function madeTexts(count: number, { seed = 1, least = 3, most = 12 } = {}): { text: string; good: boolean }[] {
  let state = seed
  const draw = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const others = vocabulary.filter(word => word !== 'cafe' && word !== 'vu')
  return Array.from({ length: count }, (_, i) => {
    const words = Array.from({ length: least + draw(most - least) }, () => others[draw(others.length)]!)
    words.splice(draw(words.length), 0, i % 2 === 0 ? 'cafe' : 'vu')
    return { text: words.join(' '), good: i % 2 === 0 }
  })
}
