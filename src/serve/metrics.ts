import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Answer } from './model.ts'
import type { Reason } from './refused.ts'

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
/** With more classes than that, answers are not counted by label. */
const mostLabels = 100

/** The metrics of one server, in a registry of its own. `noun`: `picture`, `row`, `text` or `recording`. */
export function makeMetrics(noun = 'picture') {
  const many = `${noun[0]!.toUpperCase()}${noun.slice(1)}s`
  const registry = new Registry()
  const registers = [registry]
  const all = {
    requests: new Counter({
      name: 'anneal_requests_total',
      help: 'Requests by route and status code.',
      labelNames: ['route', 'code'] as const,
      registers,
    }),
    latency: new Histogram({
      name: 'anneal_request_duration_seconds',
      help: 'From the head of a request to its answer.',
      labelNames: ['route'] as const,
      buckets: seconds,
      registers,
    }),
    open: new Gauge({ name: 'anneal_requests_open', help: 'Requests that are not answered yet.', registers }),
    depth: new Gauge({
      name: 'anneal_queue_depth',
      help: `${many} that wait for a batch.`,
      registers,
    }),
    wait: new Histogram({
      name: 'anneal_queue_wait_seconds',
      help: `How long a ${noun} waited for its batch.`,
      buckets: seconds,
      registers,
    }),
    batch: new Histogram({
      name: `anneal_batch_${noun}s`,
      help: `${many} in a batch.`,
      buckets: noun === 'row' ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : [1, 2, 4, 8, 16, 32, 64, 128],
      registers,
    }),
    predictions: new Counter({
      name: 'anneal_predictions_total',
      help: `Answers by label (not by label above ${mostLabels} classes).`,
      labelNames: ['label'] as const,
      registers,
    }),
    confidence: new Histogram({
      name: 'anneal_confidence',
      help: 'The probability of the likeliest label.',
      buckets: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1],
      registers,
    }),
    rejected: new Counter({
      name: 'anneal_rejected_total',
      help: `Requests and ${noun}s that were refused, by reason.`,
      labelNames: ['reason'] as const,
      registers,
    }),
    reloads: new Counter({
      name: 'anneal_reloads_total',
      help: 'New versions that were loaded: swapped in, or refused.',
      labelNames: ['result'] as const,
      registers,
    }),
    shadow: new Counter({
      name: `anneal_shadow_${noun}s_total`,
      help: `${many} that the shadow model answered too: same, different, skipped, failed.`,
      labelNames: ['result'] as const,
      registers,
    }),
    unknown: new Counter({
      name: 'anneal_unknown_words_total',
      help: 'Words of rows that training did not have, by column.',
      labelNames: ['column'] as const,
      registers: noun === 'row' ? registers : [],
    }),
    model: new Gauge({
      name: 'anneal_model_info',
      help: 'The model that answers.',
      labelNames: ['model', 'digest', 'version'] as const,
      registers,
    }),
  }
  return { registry, ...all }
}
export type Metrics = ReturnType<typeof makeMetrics>

/** Counts a refusal. */
export const countRefusal = ({ rejected }: Metrics, reason: Reason): void => rejected.inc({ reason })

/** Counts an answer: its labels and its confidence. */
export function countAnswer({ predictions, confidence }: Metrics, answer: Answer, classes: number): void {
  if (answer.task === 'regression') {
    predictions.inc({ label: '' })
    return
  }
  const labels = answer.task === 'single' ? [answer.label] : answer.labels
  if (classes > mostLabels || labels.length === 0) predictions.inc({ label: '' })
  else for (const label of labels) predictions.inc({ label })
  confidence.observe(answer.scores.reduce((a, b) => Math.max(a, b), 0))
}
