import type { TableCardInput } from '../../onnx/table-card.ts'

/** What a page knows of the answers of its model. */
export interface Answers {
  task: 'single' | 'multi' | 'regression'
  classes: readonly string[]
  /** What the classes are the values of: the target column of a table. */
  target?: string
  thresholds?: readonly number[]
  /** The units of numbers, empty where there is none. */
  units?: readonly string[]
  /** Of two classes: the one that is decided from a probability on. */
  decided?: { of: number; from: number }
}

/** What every page that holds its model knows of itself, written by the export as JSON. */
export interface AnySetup extends Answers {
  /** How many bytes model and runtime have to be fetched, by address; without one they are in the page. */
  files: Record<'model' | 'wasm', { url?: string; bytes: number }>
  /** The address of the page's script; without one it is in the page. */
  script?: string
  name: string
}

/** What a page of pictures knows of itself. */
export interface Setup extends AnySetup {
  heat?: { rows: number; columns: number }
  /** The square that the net sees, as a share of a picture's short side. */
  seen: number
}

/** What a page of sounds knows of itself. */
export interface SoundSetup extends AnySetup {
  /** Samples in a second, as the model takes them, and the length of its window; without one it takes no stream. */
  rate: number
  window?: number
}

/** What a page of texts knows of itself. */
export interface TextSetup extends AnySetup {
  examples: readonly { text: string; label: string }[]
}

/** What a page of rows knows of its columns and answers; words of a category stand in its field. */
export interface RowAnswers extends Answers {
  inputs: readonly TableCardInput[]
  missing?: readonly string[]
  /** Columns that a row may have, and that the model does not take. */
  unused: readonly string[]
}

/** What a page of rows that holds its model knows of itself. */
export interface RowSetup extends AnySetup, RowAnswers {}

/** An element of the page. */
export const at = <E extends HTMLElement = HTMLElement>(id: string): E => document.getElementById(id) as E

/** Makes an element with a text, properties and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  content: string | readonly (Node | string)[] = [],
  more: Partial<HTMLElementTagNameMap[K]> = {},
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(name), more)
  made.append(...(typeof content === 'string' ? [content] : content))
  return made
}

/** The setup that the export wrote. */
export const readSetup = <S extends Answers = Setup>(): S => JSON.parse(at('setup').textContent!)

/** A probability in percent; one that is not 0 or 1 is not written as such. */
export function percent(p: number): string {
  if (p > 0 && p < 0.001) return '< 0.1 %'
  if (p < 1 && p > 0.999) return '> 99.9 %'
  return `${(100 * p).toFixed(1)} %`
}

/** The address of the page's own script, for its worker. */
export function scriptAddress({ script }: AnySetup): string {
  if (script !== undefined) return script
  return URL.createObjectURL(new Blob([at('program').textContent!], { type: 'text/javascript' }))
}
