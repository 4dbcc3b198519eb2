import { median, noiseNet, timeFrozen, timeSteps } from './src/recipes/speed.ts'

const [
  model = 'resnet34',
  size = '128',
  precision = 'bfloat16',
  kernels = 'own',
  bn = 'kept',
  steps = '6',
  batch = '32',
] = process.argv.slice(2)
const o = { size: +size, batchSize: +batch, classes: 10 }
const net = await noiseNet(model, o)
const t = await timeSteps(
  net,
  { ...o, precision: precision as any, kernels: kernels as any, steps: +steps },
  { bnFreeze: bn === 'kept' },
)
console.log(model, size, precision, kernels, bn, 'least', Math.min(...t).toFixed(1), 'median', median(t).toFixed(1))
