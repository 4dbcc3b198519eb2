/** What `work` gives, or, as soon as the signal is aborted, a rejection with its reason (a DOMException `AbortError` unless the
 *  caller gave another), as `fetch` does it. The work itself is not stopped; what becomes of it later is passed over. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  return new Promise<T>((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
