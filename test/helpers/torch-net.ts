// A small convolutional net and its training, shared by the tests of torch. As a worker it trains and posts its losses.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { aten, autocast, F, generator, manualSeed, nn, optim, rand, randint, scope } from '../../src/torch/index.ts'

export function smallNet(classes = 4): nn.Module {
  return nn.sequential(
    nn.conv2d(3, 16, 3, { padding: 1, bias: false }),
    nn.batchNorm2d(16),
    nn.layer(F.relu_),
    nn.conv2d(16, 32, 3, { stride: 2, padding: 1 }),
    nn.batchNorm2d(32),
    nn.layer(F.relu),
    nn.layer(nn.concatPool),
    nn.dropout(0.2),
    nn.linear(64, classes),
  )
}

/** Trains on one batch of noise and calls `onStep` after each step. Returns the losses of all steps. */
export function train(steps: number, { onStep = (_: number) => {}, bfloat16 = true, size = 24 } = {}): number[] {
  manualSeed(1)
  const net = smallNet()
  const optimizer = optim.adamw(net.parameters(), { lr: 1e-2 })
  const g = generator(2)
  const x = rand([8, 3, size, size], { generator: g })
  const y = randint(4, [8], { generator: g })
  const losses: number[] = []
  for (let i = 0; i < steps; i++) {
    losses.push(
      scope(() => {
        const logits = autocast(bfloat16 ? 'bfloat16' : undefined, () => net(x))
        const loss = F.crossEntropy(logits.to('float32'), y)
        loss.backward()
        optimizer.step()
        optimizer.zeroGrad()
        aten.softmax(logits, 1)
        return loss.item()
      }),
    )
    onStep(i)
  }
  return losses
}

/** A thread that trains 20 steps and posts its losses, or trains without end and posts when it has begun. */
export function startWorker(task: 'train' | 'forever'): Worker {
  const code = `import('tsx/esm/api').then(tsx => { tsx.register(); return import(${JSON.stringify(import.meta.url)}) })`
  return new Worker(code, { eval: true, workerData: task, execArgv: [] })
}

if (!isMainThread && workerData === 'train') parentPort!.postMessage(train(20, { bfloat16: false }))
if (!isMainThread && workerData === 'forever')
  train(Number.POSITIVE_INFINITY, { onStep: i => i === 3 && parentPort!.postMessage('busy') })
