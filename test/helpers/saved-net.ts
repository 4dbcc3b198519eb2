import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { model as modelInfo } from '../../src/models/index.ts'
import { manualSeed } from '../../src/torch/index.ts'
import { network } from '../../src/train/network.ts'
import { saveModel } from '../../src/train/saved-model.ts'
import type { ModelCard } from '../../src/vision/inference/saved.ts'

/** Saves a net of random weights for small pictures under `DIR/NAME`; its path. */
export function savedNet(
  dir: string,
  {
    name = 'net',
    architecture = 'squeezenet1_1',
    size = 64,
    channels = 3,
    classes = ['cat', 'dog', 'owl'],
    ...card
  }: Partial<Omit<ModelCard, 'preprocessing'>> & {
    name?: string
    size?: number
    channels?: number
    mode?: ModelCard['preprocessing']['mode']
    bands?: readonly string[]
  } = {},
): string {
  const { mode, bands, ...more } = card
  manualSeed(5)
  const body = modelInfo(architecture).build({ classes: 0, channels, size })
  const net = network(body, classes.length, { hidden: [] })
  const path = join(dir, name)
  saveModel(path, net.net.stateDict(), {
    format: 'anneal-classifier',
    version: 1,
    architecture,
    head: { hidden: [], dropout: 0.5 },
    classes,
    preprocessing: {
      size,
      short: Math.round(size * 1.14),
      interpolation: 'bilinear',
      mean: [0.45],
      std: [0.225],
      channels,
      ...(mode ? { mode } : {}),
      ...(bands ? { bands } : {}),
    },
    precision: 'float32',
    metrics: {},
    anneal: 'test',
    ...more,
  })
  return path
}

/** Saves an ensemble of nets that lie in the same folder. */
export function savedEnsemble(dir: string, card: ModelCard, members: readonly string[], name = 'ensemble'): string {
  writeFileSync(join(dir, `${name}.json`), JSON.stringify({ ...card, members }))
  return join(dir, name)
}
