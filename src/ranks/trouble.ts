/** Why a group can't go on. `rank`: of whom; −1: of the store that keeps the group together, on rank 0 or in its
 *  launcher. */
export interface Lost {
  rank: number
  /** `silent`: no sign of life; `failed`, `stopped`: it said so itself; `gone`: the store's connection broke; `broke`: one
   *  between ranks did. */
  kind: 'silent' | 'failed' | 'stopped' | 'gone' | 'broke'
  text: string
}

/** Reads `RANK\tKIND\tTEXT`, as the addon writes it; undefined for an empty text. */
export function readTrouble(line: string): Lost | undefined {
  const found = /^(-?\d+)\t(\w+)\t(.*)$/s.exec(line)
  return found ? { rank: Number(found[1]), kind: found[2] as Lost['kind'], text: found[3]! } : undefined
}

/** The trouble that the addon threw; undefined for another error. */
export function troubleOf(error: unknown): Lost | undefined {
  const cause = (error as Error).cause
  const { message } = (cause instanceof Error ? cause : error) as Error // TorchError adds to the message
  return message.startsWith('ranks\t') ? readTrouble(message.slice('ranks\t'.length)) : undefined
}

/** The reason in one line. `worked`: the ranks had finished what they do together, and the first one wrote the result. */
export function lostText(
  { rank, kind, text }: Lost,
  size: number,
  { worked = false }: { worked?: boolean } = {},
): string {
  const who = rank < 0 ? 'rank 0, which keeps the group together,' : `rank ${rank} of ${size}`
  const again = worked
    ? 'The ranks had finished their work, and rank 0 was writing the result and the report. A run that has its result.json is whole: `npx anneal report RUN` draws its report. One without goes on with --resume.'
    : 'The run goes on from its last checkpoint with --resume, on as many ranks as you like.'
  if (kind === 'failed') return `${who} ended with an error: ${text}`
  if (kind === 'stopped') return `${who} was stopped${text ? `: ${text}` : ''}`
  if (kind === 'silent')
    return `${who} has given no sign of life for ${text} s: it was killed or stopped, or its machine hangs or is cut off. ${again}`
  if (kind === 'gone')
    return `${who} can't be reached any more: it has ended or was killed, or the network is down. ${again}`
  return `a connection between ranks broke (${text}), and all ranks give signs of life: is the network stable? ${again}`
}
