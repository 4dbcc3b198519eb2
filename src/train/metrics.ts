/** Metrics as pure functions over a whole set, never means over batches; equal to scikit-learn's unless a docstring
 *  says otherwise. Probabilities are [N × C] by rows, class numbers [N], labels and numbers [N × C] by rows. */
export * from './metrics/agreement.ts'
export * from './metrics/bootstrap.ts'
export * from './metrics/calibration.ts'
export * from './metrics/curves.ts'
export * from './metrics/issues.ts'
export * from './metrics/multi.ts'
export * from './metrics/regression.ts'
export * from './metrics/reported.ts'
export * from './metrics/single.ts'
export * from './metrics/temperature.ts'
export * from './metrics/text.ts'
export * from './metrics/thresholds.ts'
