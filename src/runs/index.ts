/** The run folder: writes and reads the files of a training run. It loads no torch, so that listing starts at once. */
export { domainOf, nounOf, type RunConfig, readConfig } from './config.ts'
export type * from './events.ts'
export { phaseTitle } from './events.ts'
export type * from './interpret.ts'
export { textThumbnail, thumbnailText } from './interpret.ts'
export { listRuns, type RunRecord, type RunState, type RunSummary, readRun, summariseRun } from './list-runs.ts'
export { type EventLog, readEvents } from './log.ts'
export {
  leadingMetric,
  type MetricInfo,
  type MetricUnit,
  metricInfo,
  metricsText,
  metricText,
  orderMetrics,
  taskOfMetrics,
} from './metric-info.ts'
export { doneText, readObject, runPaths } from './paths.ts'
export type * from './result.ts'
export { readResult } from './result.ts'
export { isRun, newRunFolder, openRun, type Run } from './run.ts'
export { type LockOwner, lockOwner } from './run-lock.ts'
export { countSeen, readSeen, type SeenPictures, writeSeen } from './seen.ts'
