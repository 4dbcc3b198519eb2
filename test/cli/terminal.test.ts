import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { barLine } from '../../src/cli/bar.ts'
import { coloured } from '../../src/cli/style.ts'
import { createReporter } from '../../src/cli/terminal.ts'
import type { EventBody, RunEvent } from '../../src/runs/events.ts'
import { parseEvent } from '../../src/runs/events.ts'

const result = {
  run: 'runs/one',
  model: 'resnet18',
  classes: ['cat', 'dog'],
  metrics: { accuracy: 0.875 },
  loss: 0.4321,
  epochs: 2,
  seconds: { head: 20, total: 24.5 },
}

/** A short run: a scan, a choice, two epochs of four steps (two seconds each) with a warning between them, the end. */
function run(): RunEvent[] {
  let t = 0
  const at = (event: EventBody): RunEvent => ({ ...event, t })
  const events = [
    at({
      type: 'scan',
      classes: [
        { name: 'cat', train: 1000, valid: 200 },
        { name: 'dog', train: 900, valid: 180 },
      ],
      problems: [{ file: 'dog/a\x1b[2J\n.jpg', reason: 'empty', kind: 'damaged' }],
    }),
    at({ type: 'choice', what: 'model', value: 'resnet18', reason: 'its weights are cached' }),
    at({
      type: 'lrFind',
      phase: 'find',
      lrs: [1, 2],
      losses: [1, 2],
      smoothed: [1, 2],
      suggestions: { steep: 1e-3, minimum: 0.0025 },
      chosen: 1e-3,
      how: 'steep',
    }),
    at({ type: 'phase', phase: 'head', epochs: 2, ...{ steps: 8 } }),
  ]
  for (let epoch = 1; epoch <= 2; epoch++) {
    for (let i = 1; i <= 4; i++) {
      t += 2
      const step = (epoch - 1) * 4 + i
      events.push(at({ type: 'batch', phase: 'head', step, epoch, loss: 1 / step, smooth: 1 / step, lrs: [0, 1e-3] }))
      if (step === 2) events.push(at({ type: 'warning', message: 'few pictures' }))
    }
    events.push(
      at({
        type: 'epoch',
        phase: 'head',
        epoch,
        step: epoch * 4,
        trainLoss: 0.5 / epoch,
        validLoss: 0.4,
        metrics: { accuracy: 0.875 },
        seconds: 74,
        lrs: [0, 1e-3],
        best: epoch === 1,
      }),
      at({ type: 'checkpoint', step: epoch * 4, epoch }),
    )
  }
  return [...events, at({ type: 'done', result })]
}

const esc = '\x1b'
const tokens = new RegExp(`${esc}\\[\\d*[mK]|[\\s\\S]`, 'gu')

/** Collects what is written; `screen` plays carriage returns, newlines and erasures of a line, as a terminal does. */
function sink(options: { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = []
  return {
    ...options,
    written,
    write: (text: string) => written.push(text),
    text: () => written.join(''),
    screen() {
      const lines = ['']
      let column = 0
      for (const [token] of written.join('').matchAll(tokens)) {
        const line = lines.at(-1)!
        if (token === '\r') column = 0
        else if (token === '\n') [column] = [0, lines.push('')]
        else if (token === '\x1b[K') lines[lines.length - 1] = line.slice(0, column)
        else if (!token.startsWith('\x1b'))
          lines[lines.length - 1] = line.slice(0, column) + token + line.slice(++column)
      }
      return lines
    },
  }
}

const clock = (ms = 0) => Object.assign(() => ms, { pass: (more: number) => (ms += more) })

test('a log has one line an event, and progress at most every 10 seconds', () => {
  const out = sink()
  const now = clock()
  const reporter = createReporter({ out, env: {}, now })
  for (const event of run()) {
    if (event.type === 'batch') now.pass(3000)
    reporter.event(event)
  }
  reporter.close()
  assert.deepEqual(out.text().split('\n'), [
    '2,280 pictures in 2 classes: 1,900 train, 380 valid',
    '  damaged: dog/a\ufffd[2J .jpg: empty',
    'model: resnet18 (its weights are cached)',
    'learning rate 1e-3 by the rule "steep" (suggestions: steep 1e-3, minimum 2.5e-3)',
    'Training the head: 2 epochs',
    'warning: few pictures',
    'head, epoch 1: 4 of 8 (50 %), loss 0.2500, lr 1e-3, 8.0 s left',
    'head, epoch 1: train_loss 0.500000, valid_loss 0.400000, accuracy 0.875000, time 01:14, best',
    'head, epoch 2: 8 of 8 (100 %), loss 0.1250, lr 1e-3, 0.0 s left',
    'head, epoch 2: train_loss 0.250000, valid_loss 0.400000, accuracy 0.875000, time 01:14',
    'valid accuracy 87.5 %, loss 0.4321, after 2 epochs in 25 s',
    '  head 20 s',
    'runs/one',
    '',
  ])
})

test('a terminal ends with the table that fastai prints, and no bar', () => {
  const out = sink({ isTTY: true, columns: 60 })
  const now = clock()
  const reporter = createReporter({ out, env: { TERM: 'xterm' }, now })
  for (const event of run()) {
    now.pass(100)
    reporter.event(event)
  }
  reporter.close()
  assert.deepEqual(
    out.screen().map(line => line.trimEnd()),
    [
      '2,280 pictures in 2 classes: 1,900 train, 380 valid',
      '  damaged: dog/a\ufffd[2J .jpg: empty',
      'model: resnet18 (its weights are cached)',
      'learning rate 1e-3 by the rule "steep" (suggestions: steep 1e-3, minimum 2.5e-3)',
      'Training the head: 2 epochs',
      'warning: few pictures',
      'epoch      train_loss  valid_loss  accuracy   time',
      '1          0.500000    0.400000    0.875000   01:14     best',
      '2          0.250000    0.400000    0.875000   01:14',
      'valid accuracy 87.5 %, loss 0.4321, after 2 epochs in 25 s',
      '  head 20 s',
      'runs/one',
      '',
    ],
  )
})

test('the bar stands under the lines, is redrawn in place and never wider than the terminal', () => {
  const out = sink({ isTTY: true, columns: 70 })
  const now = clock()
  const reporter = createReporter({ out, env: { TERM: 'xterm', NO_COLOR: '1' }, now })
  const events = run()
  const sixth = events.findIndex(event => event.type === 'batch' && event.step === 6)
  for (const event of events.slice(0, sixth + 1)) {
    now.pass(100)
    reporter.event(event)
  }
  const last = out.screen().at(-1)!
  assert.match(last, /^head, epoch 2 {2}━+─+ {3}75 % {2}loss 0\.1667 {2}lr 1e-3 {2}4\.0 s left$/)
  assert.equal(last.length, 69)
  assert.match(out.screen().at(-2)!, /^1 +0\.500000/)
  assert.ok(out.text().split('\r').length > 6, `out.text().split('\\r').length > 6`)
  reporter.close()
  assert.equal(out.screen().at(-1), '')
})

test('the bar is not redrawn more often than an eye can follow', () => {
  const out = sink({ isTTY: true, columns: 80 })
  const now = clock()
  const reporter = createReporter({ out, env: {}, now })
  for (let done = 0; done < 1000; done++) {
    now.pass(1)
    reporter.progress({ label: 'decoding', done, total: 1000 })
  }
  assert.ok(out.written.length <= 1000 / 80 + 1, `${out.written.length} writes in a second`)
  reporter.progress({ label: 'decoding', done: 1000, total: 1000 })
  assert.deepEqual(out.screen(), [''])
})

test('a bar fits every width', () => {
  const progress = { label: 'whole, epoch 12', done: 123, total: 456, loss: 0.54321, lr: 2.5e-4, secondsLeft: 3725 }
  for (let width = 0; width <= 200; width++)
    for (const bar of [progress, { ...progress, total: undefined }]) {
      const line = barLine(bar, { width, paint: coloured })
      assert.ok(stripVTControlCharacters(line).length <= width, `${width}: ${line}`)
    }
  assert.equal(barLine(progress, { width: 16 }), 'whole, epoch 12 ')
  assert.equal(barLine(progress, { width: 37 }), 'whole, epoch 12   26 %  loss 0.5432')
  assert.equal(
    barLine(progress, { width: 80, unicode: false }),
    'whole, epoch 12  =====-------------   26 %  loss 0.5432  lr 2.5e-4  1:02:05 left',
  )
})

test('colours: where a person looks, unless NO_COLOR says no', () => {
  const coloursOf = (env: NodeJS.ProcessEnv, isTTY: boolean) => {
    const out = sink({ isTTY, columns: 80 })
    const reporter = createReporter({ out, env, now: clock() })
    for (const event of run()) reporter.event(event)
    return out.text().includes(`${esc}[1m`)
  }
  assert.equal(coloursOf({}, true), true)
  assert.equal(coloursOf({ NO_COLOR: '1' }, true), false)
  assert.equal(coloursOf({ NO_COLOR: '1', FORCE_COLOR: '1' }, true), false)
  assert.equal(coloursOf({ TERM: 'dumb' }, true), false)
  assert.equal(coloursOf({}, false), false)
  assert.equal(coloursOf({ FORCE_COLOR: '1' }, false), true)
})

test('--json: every event is a line on stdout, the last one the result; stderr has only warnings', () => {
  const out = sink({ isTTY: true, columns: 80 })
  const err = sink({ isTTY: true })
  const reporter = createReporter({ json: true, out, err, env: {} })
  const events = run()
  for (const event of events) {
    reporter.progress({ label: 'decoding', done: 1, total: 2 })
    reporter.event(event)
  }
  reporter.close()
  const lines = out.text().trimEnd().split('\n')
  assert.equal(lines.length, events.length)
  for (const [i, event] of events.slice(0, -1).entries()) assert.equal(parseEvent(lines[i]!)?.type, event.type)
  assert.deepEqual(JSON.parse(lines.at(-1)!), { type: 'done', t: 16, ...result })
  assert.equal(err.text(), 'warning: few pictures\n')
})

test('without a number of steps the bar counts, and promises no time', () => {
  assert.equal(barLine({ label: 'head, epoch 1', done: 7, loss: 1 }), 'head, epoch 1  7  loss 1.0000')
})

test('the head’s optimum is named as such, in a log and in a table; a phase says which epochs it plans', () => {
  const epoch = {
    trainLoss: 0.5,
    validLoss: 0.4,
    metrics: { accuracy: 0.875 },
    seconds: 1,
    lrs: [0],
    step: 8,
    best: true,
  }
  const events: EventBody[] = [
    { type: 'phase', phase: 'head', epochs: 3, firstEpoch: 1, size: 48 },
    { type: 'epoch', phase: 'head', size: 48, ...epoch, epoch: 3, best: false },
    { type: 'epoch', phase: 'head', size: 48, ...epoch, epoch: 4, optimum: true },
    { type: 'phase', phase: 'whole', epochs: 1, firstEpoch: 5 },
    { type: 'phase', phase: 'fold', fold: 2, folds: 5 },
    { type: 'phase', phase: 'my own phase', epochs: 2 },
  ]
  const [log, terminal] = [sink(), sink({ isTTY: true, columns: 80 })]
  for (const out of [log, terminal]) {
    const reporter = createReporter({ out, env: { TERM: 'xterm', NO_COLOR: '1' }, now: clock() })
    for (const event of events) reporter.event({ ...event, t: 1 })
    reporter.close()
  }
  assert.deepEqual(log.text().split('\n'), [
    'Training the head at 48 px: epochs 1 to 3',
    'head at 48 px, epoch 3: train_loss 0.500000, valid_loss 0.400000, accuracy 0.875000, time 00:01',
    'head at 48 px: optimum: train_loss 0.500000, valid_loss 0.400000, accuracy 0.875000, time 00:01, best',
    'Training the whole net: epoch 5',
    'Fold 2 of 5',
    'my own phase: 2 epochs',
    '',
  ])
  assert.ok(
    terminal.screen().some(line => /^optimum +0\.5.* best$/.test(line)),
    terminal.screen().join('\n'),
  )
})

test('a phase that goes on beyond its steps, as a head that trains on, counts them and promises no share', () => {
  let written = ''
  let seconds = 0
  const out = { write: (text: string) => (written += text) } as unknown as NodeJS.WriteStream
  const reporter = createReporter({ out, env: {}, now: () => 1000 * seconds })
  reporter.event({ type: 'phase', phase: 'head', epochs: 1, ...{ steps: 2 }, t: 0 } as RunEvent)
  for (let step = 1; step <= 4; step++) {
    seconds = 20 * step
    reporter.event({
      type: 'batch',
      phase: 'head',
      step,
      epoch: 1,
      loss: 1,
      smooth: 1,
      lrs: [1e-3],
      t: seconds,
    } as RunEvent)
  }
  reporter.close()
  assert.match(written, /2 of 2 \(100 %\)/)
  assert.doesNotMatch(written, /[34] of 2|150 %|200 %/)
  assert.match(written, /head, epoch 1: 4\b/)
})
