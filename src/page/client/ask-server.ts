import type { FormAnswer } from './form.ts'
import type { Answers } from './setup.ts'

/** What `POST /predict` answers. */
interface Reply {
  error?: string
  label?: string
  probability?: number
  labels?: string[]
  probabilities?: Record<string, number>
  values?: Record<string, number>
  unknown?: string[]
}

/** Asks the page's own server, and reads its answer as one of the model. body: what is sent, as JSON. Throws an error whose message
 *  is for the reader. */
export async function askServer({ classes }: Answers, body: object): Promise<FormAnswer> {
  const token = document.querySelector<HTMLInputElement>('#token')?.value
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  let response: Response
  try {
    response = await fetch(`predict?top=${classes.length}`, { method: 'POST', headers, body: JSON.stringify(body) })
  } catch {
    throw new Error('The server does not answer.')
  }
  const reply: Reply = await response.json().catch(() => ({ error: `The server answers ${response.status}, no JSON.` }))
  if (!response.ok) throw new Error(reply.error)
  const of = reply.values ?? reply.probabilities ?? {}
  const scores = Float32Array.from(classes, name => of[name] ?? Number.NaN)
  const { label, labels, probability = 0, unknown = [] } = reply
  const prediction =
    label !== undefined
      ? { task: 'single' as const, label, probability, probabilities: of, scores }
      : labels !== undefined
        ? { task: 'multi' as const, labels, probabilities: of, scores }
        : { task: 'regression' as const, values: of, scores }
  return { prediction, unknown }
}

/** Writes the address of the page's server into the command on the page. */
export function nameServer(): void {
  const command = document.querySelector('pre')!
  command.textContent = command.textContent!.replace('ADDRESS', location.origin)
}
