/** onnxruntime-node 1.29 and later sends data about its use to its maker, and keeps a number for this machine in
 *  `~/.cache/Microsoft`, if the variable `ORT_DISABLE_TELEMETRY` is not 1 when it makes its first session
 *  (github.com/microsoft/onnxruntime/pull/27379). This sets it to 1, where it has no value yet. A thread has only a copy of the
 *  variables, which the library does not see: call this in the main thread, before the thread starts. */
export function withoutTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1'
}

/** Imports onnxruntime-node, which then sends nothing. */
export async function importOrtNode(): Promise<typeof import('onnxruntime-node')> {
  withoutTelemetry()
  return import('onnxruntime-node')
}
