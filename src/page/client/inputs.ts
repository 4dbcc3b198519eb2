import { fromBase64 } from './load.ts'
import { at } from './setup.ts'

/** A picture that was given. */
export interface Given {
  name: string
  file: Blob
  labelled?: string | undefined
}

/** Calls `take` for all that is chosen, dropped, pasted or taken from the examples, and `refuse` with the reason where that
 *  holds no picture. */
export function watchInputs(take: (given: Given[]) => void, refuse: (why: string) => void): void {
  const input = at<HTMLInputElement>('file')
  const drop = at('drop')
  const taken = (files: readonly File[], none: string) => {
    const pictures = files.filter(maybePicture)
    const others = files.length - pictures.length
    if (pictures.length > 0) take(pictures.map(file => ({ name: file.name, file })))
    if (files.length === 0) refuse(none)
    else if (pictures.length === 0) refuse(`${files[0]!.name} is no picture (${files[0]!.type}).`)
    else if (others > 0)
      refuse(`${others} ${others === 1 ? 'file that is no picture is' : 'files that are no pictures are'} left out.`)
  }
  input.addEventListener('change', () => {
    const files = [...input.files!]
    input.value = ''
    if (files.length > 0) taken(files, '')
  })
  document.addEventListener('paste', event => {
    const files = [...(event.clipboardData?.files ?? [])]
    taken(files, 'The clipboard holds no picture. Copy a picture, not its address, and paste it here.')
  })
  document.addEventListener('dragover', event => {
    event.preventDefault()
    drop.classList.add('over')
  })
  document.addEventListener('dragleave', () => drop.classList.remove('over'))
  document.addEventListener('drop', async event => {
    event.preventDefault()
    drop.classList.remove('over')
    const files = await droppedFiles(event.dataTransfer!)
    taken(files, 'That is a link or a text, no picture. Save the picture first, and drop the file.')
  })
  for (const button of document.querySelectorAll<HTMLButtonElement>('button.example'))
    button.addEventListener('click', () => {
      const { src } = button.querySelector('img')!
      const file = new Blob([fromBase64(src.slice(src.indexOf(',') + 1))], { type: 'image/jpeg' })
      take([{ name: button.dataset.name!, file, labelled: button.dataset.labelled }])
    })
}

/** Files of an unknown type may be pictures: the decoder looks at their bytes. */
const maybePicture = ({ type, name }: File): boolean =>
  !name.startsWith('.') && (type === '' || type.startsWith('image/')) && !/\.(csv|txt|json|xml|md|db)$/i.test(name)

/** The files that were dropped, those in folders too. */
async function droppedFiles({ items, files }: DataTransfer): Promise<File[]> {
  // Entries have to be taken before the first pause.
  const entries = [...items].map(item => item.webkitGetAsEntry?.()).filter(entry => entry != null)
  if (!entries.some(entry => entry.isDirectory)) return [...files]
  const found: File[] = []
  for (const entry of entries) await collect(entry, found)
  return found
}

async function collect(entry: FileSystemEntry, found: File[]): Promise<void> {
  if (entry.isFile) {
    found.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)))
    return
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  for (;;) {
    // A call gives at most a hundred.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) return
    for (const one of some) await collect(one, found)
  }
}
