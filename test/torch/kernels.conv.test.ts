// Own kernels for convolutions: 3 x 3, grouped, few channels and 1 x 1, with the layers after them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { autocast } from '../../src/torch/grad.ts'
import { call, fromArray, kernelCalls, nn, noGrad, withKernelSet } from '../../src/torch/index.ts'
import {
  type Cases,
  comparisons,
  halfSets,
  lacksFloat,
  packedFollows,
  ran,
  slopes,
  values,
} from '../helpers/kernels.ts'

/** A 3 x 3 convolution and the layers after it. */
const square = { kind: 'conv', cin: 32, cout: 64, n: 3, h: 16, w: 12 } as const
const grouped = (each: number) => ({ ...square, cin: 96, cout: 96, groups: 96 / each, h: 15, w: 14 })
const cases: Cases = {
  'conv3x3, bias': { ...square, after: 'bias' },
  'conv3x3, bias, relu, odd sides': { ...square, after: 'bias, relu', h: 17, w: 13 },
  'conv3x3, no bias, odd rows': { ...square, cin: 96, cout: 32, h: 11 },
  'conv3x3, BatchNorm, relu': { ...square, after: 'norm, relu' },
  'conv3x3, BatchNorm, kept statistics': { ...square, after: 'norm', training: false },
  'conv3x3, BatchNorm, relu, kept statistics': { ...square, after: 'norm, relu', cin: 64, training: false },
  'conv3x3, BatchNorm, relu6, kept statistics, odd columns': { ...square, after: 'norm, relu6', w: 9, training: false },
  'conv3x3, BatchNorm, relu, residual': { ...square, after: 'norm, relu', cin: 64, residual: true },
  'conv3x3, BatchNorm, relu, residual, kept statistics': {
    ...square,
    after: 'norm, relu',
    cin: 64,
    residual: true,
    training: false,
  },
  'conv1x1, weights by one product': { ...square, k: 1, cin: 256, cout: 288, h: 5, w: 7 },
  'conv1x1, BatchNorm, relu, kept statistics': {
    ...square,
    k: 1,
    cin: 288,
    cout: 256,
    h: 6,
    w: 4,
    after: 'norm, relu',
    training: false,
  },
  'few channels, outputs that fill no register': {
    kind: 'conv',
    cin: 3,
    cout: 13,
    k: 5,
    stride: 2,
    h: 9,
    w: 10,
    after: 'bias',
  },
  'few channels, bias': { kind: 'conv', cin: 3, cout: 40, k: 7, stride: 2, h: 23, w: 18, after: 'bias' },
  'few channels, BatchNorm, relu': {
    kind: 'conv',
    cin: 3,
    cout: 64,
    k: 7,
    stride: 2,
    h: 32,
    w: 35,
    after: 'norm, relu',
  },
  'few channels, BatchNorm, relu, kept statistics': {
    ...{ kind: 'conv', cin: 2, cout: 64, k: 5, stride: 1, h: 9, w: 16, after: 'norm, relu' },
    training: false,
  },
  'groups of 4, bias, relu': { ...grouped(4), after: 'bias, relu' },
  'groups of 4, BatchNorm, relu, odd sides': { ...grouped(4), h: 9, w: 17, after: 'norm, relu' },
  'groups of 4, stride 2, kept statistics': { ...grouped(4), stride: 2, after: 'norm, relu', training: false },
  'groups of 8, kept statistics': { ...grouped(8), after: 'norm', training: false },
  'groups of 8, stride 2, odd sides, bias': { ...grouped(8), stride: 2, h: 13, w: 29, after: 'bias' },
  'groups of 16, one picture, wide rows': { ...grouped(16), n: 1, h: 5, w: 61, after: 'norm, relu' },
  'groups of 16, stride 2, no bias': { ...grouped(16), stride: 2 },
  'groups of 32, residual, kept statistics': {
    ...grouped(32),
    residual: true,
    after: 'norm, relu',
    training: false,
  },
  'groups of 32, stride 2, rows of two pixels': { ...grouped(32), stride: 2, w: 4, after: 'norm, relu6' },
  'conv3x3, one picture, lines of one tile': { ...square, n: 1, h: 140, w: 2, after: 'bias' },
  'conv3x3, more tiles than a block has': { ...square, cin: 160, cout: 192, n: 2, h: 33, w: 37, after: 'bias, relu' },
}

comparisons(cases)
slopes(cases, [
  'conv3x3, bias',
  'few channels, bias',
  'conv3x3, BatchNorm, relu, residual',
  'conv3x3, BatchNorm, kept statistics',
  'conv3x3, BatchNorm, relu, residual, kept statistics',
  'groups of 4, stride 2, kept statistics',
  'groups of 8, stride 2, odd sides, bias',
  'groups of 32, residual, kept statistics',
])

describe('packed weights', { skip: lacksFloat }, () => {
  packedFollows('a convolution of 3 x 3', { ...square, after: 'norm, relu' })
  packedFollows('one in groups', { ...grouped(8), after: 'norm, relu' })
})

describe('while products go through tiles', { skip: !halfSets.includes('amx') && 'no AMX here' }, () => {
  const x = fromArray(values(32 * 400, 3), [1, 32, 20, 20]).contiguous('channels_last')
  const conv = nn.conv2d(32, 32, 3, { padding: 1, bias: false }).to({ memoryFormat: 'channels_last' })
  const layer = () => noGrad(() => autocast('bfloat16', () => conv(x)).numbers())

  test('layers leave convolutions to libtorch, whose have tiles, and take them back with the other set', () => {
    const before = kernelCalls('conv3x3')
    withKernelSet('amx', layer)
    assert.equal(kernelCalls('conv3x3'), before, 'libtorch convolves')
    withKernelSet('avx512_bf16', () => ran('conv3x3', 'avx512_bf16', layer))
  })

  test('called by name they are those of AVX-512, to the bit', () => {
    const weight = conv.own.parameters.weight!
    const named = () => noGrad(() => call('anneal::conv3x3', x, weight, null, null, null, 'relu', 1, true).numbers())
    const before = kernelCalls('conv3x3', 'avx512_bf16')
    assert.deepEqual(withKernelSet('amx', named), withKernelSet('avx512_bf16', named), 'the same bits')
    assert.equal(kernelCalls('conv3x3', 'avx512_bf16'), before + 2, 'both by AVX-512')
  })
})
