import { filesScript, filesStyle } from '../files-page.ts'

/** The script of the page: sends the chosen pictures to its own server and shows the answers. */
export const script = filesScript(
  `const itemOf = file => {
  const item = element('li', '', { className: 'card' })
  const image = document.createElement('img')
  image.alt = ''
  image.src = URL.createObjectURL(file)
  image.onload = image.onerror = () => URL.revokeObjectURL(image.src)
  const body = document.createElement('div')
  body.append(element('p', file.name, { className: 'file' }))
  item.append(image, body)
  return { item, body }
}`,
  "document.addEventListener('paste', event => take([...event.clipboardData.files]))",
)

/** The style of the page. */
export const style =
  filesStyle(`.card img { width: 100%; aspect-ratio: 1; object-fit: cover; border-radius: 7px; background: var(--ground); }
@media (max-width: 480px) { .card { grid-template-columns: 84px minmax(0, 1fr); } }`)
