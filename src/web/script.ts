/** The script of the page: posts decisions and shows what was stored. Plain JavaScript for the browser. It sends
 *  requests only to its own server. */
export const script = `
'use strict'
const bar = document.querySelector('#bar')
const said = document.querySelector('#said')
const dialog = document.querySelector('dialog')

const labelsOf = choice => {
  const numbers = [...choice.querySelectorAll('input[type=number]')]
  if (numbers.length > 0) return numbers.map(input => input.value)
  return [...choice.querySelectorAll('input[type=checkbox]')].filter(box => box.checked).map(box => box.value)
}

const show = (number, decision) => {
  for (const choice of document.querySelectorAll('.choice[data-number="' + number + '"]')) {
    const wanted = decision ? decision.action : ''
    choice.closest('.picture').dataset.state = wanted
    const label = decision && decision.action === 'relabel' ? [decision.label].flat().map(String) : []
    for (const button of choice.querySelectorAll('button')) {
      const { action, labels } = button.dataset
      const same = action !== 'relabel' || labels === undefined || JSON.stringify([...label].sort()) === JSON.stringify(JSON.parse(labels).sort())
      button.setAttribute('aria-pressed', String(action === wanted && same))
    }
    const select = choice.querySelector('select')
    if (select) select.value = label[0] ?? ''
    choice.querySelector('.state').textContent =
      wanted === 'drop' ? 'left out' : wanted === 'relabel' ? 'now ' + (label.join(', ') || 'without a label') : wanted === 'keep' ? 'kept as it is' : ''
  }
}

const post = async (path, body) => {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const found = await answer.json()
  if (!answer.ok) throw new Error(found.error)
  return found
}

const decide = async (choice, action, label) => {
  const number = Number(choice.dataset.number)
  try {
    const { decision, summary } = await post('decide', { number, action, label, reason: choice.dataset.reason })
    show(number, decision)
    said.textContent = summary
    bar.classList.remove('failed')
  } catch (error) {
    said.textContent = 'Not stored: ' + (error instanceof TypeError ? 'the server has ended; start anneal clean again' : error.message)
    bar.classList.add('failed')
    const now = choice.closest('.picture').dataset.state
    if (choice.querySelector('select') && now !== 'relabel') choice.querySelector('select').value = ''
  }
}

document.addEventListener('click', event => {
  const zoom = event.target.closest('a.zoom')
  if (zoom) {
    event.preventDefault()
    const [image, whole] = [dialog.querySelector('img'), dialog.querySelector('.whole')]
    if (image) {
      image.src = zoom.href
      image.alt = zoom.dataset.file
    } else {
      whole.textContent = '…'
      fetch(zoom.href).then(async answer => {
        const told = await answer.text()
        whole.textContent = answer.ok ? told : JSON.parse(told).error
      }, () => { whole.textContent = 'The server has ended; start anneal clean again.' })
    }
    dialog.querySelector('p').textContent = zoom.dataset.file
    dialog.showModal()
    return
  }
  if (event.target === dialog || event.target.closest('dialog button')) return dialog.close()
  const button = event.target.closest('.choice button')
  if (button) {
    const choice = button.closest('.choice')
    const pressed = button.getAttribute('aria-pressed') === 'true'
    const { action, labels } = button.dataset
    // A second click cancels a decision: the sample stays unchanged.
    if (pressed && action !== 'keep' && (action === 'drop' || labels !== undefined)) return decide(choice, 'keep')
    return decide(choice, action, action === 'relabel' ? (labels === undefined ? labelsOf(choice) : JSON.parse(labels)) : undefined)
  }
  if (event.target.closest('#done'))
    post('done', {}).then(
      ({ summary }) => { document.body.classList.add('ended'); said.textContent = summary },
      error => { said.textContent = error.message },
    )
})
document.addEventListener('change', event => {
  const select = event.target.closest('.choice select')
  if (select) decide(select.closest('.choice'), select.value === '' ? 'keep' : 'relabel', select.value === '' ? undefined : [select.value])
})
dialog.addEventListener('close', () => dialog.querySelector('img')?.removeAttribute('src'))
// One recording at a time.
document.addEventListener('play', event => {
  for (const player of document.querySelectorAll('audio')) if (player !== event.target) player.pause()
}, true)
for (const [number, decision] of Object.entries(JSON.parse(document.querySelector('#decisions').textContent))) show(number, decision)
`

/** The styles that this page adds to the report's style sheet. */
export const style = `
main { padding-bottom: 150px; }
.entries { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 232px), 1fr)); gap: 16px; margin: 0; padding: 0; list-style: none; }
.entries > li { margin: 0; padding: 14px; display: flex; flex-direction: column; gap: 10px; }
.entries > li.several { grid-column: 1 / -1; }
@media (min-width: 560px) { .entries > li.two { grid-column: span 2; } }
.several .together { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 208px), 1fr)); gap: 14px; }
.picture { min-width: 0; display: flex; flex-direction: column; gap: 8px; flex: 1; }
.picture a.zoom { position: relative; display: block; border-radius: 7px; overflow: hidden; background: var(--line); aspect-ratio: 1; }
.picture img { display: block; width: 100%; height: 100%; object-fit: cover; }
.picture .gone { height: 100%; display: grid; place-items: center; color: var(--soft); font-size: 13px; text-decoration: none; }
.picture > img { border-radius: 7px; aspect-ratio: 1; }
.picture audio { width: 100%; height: 36px; }
.picture > .gone { height: auto; padding: 10px 0; }
.picture .text { background: var(--line); border-radius: 7px; padding: 10px 12px; font-size: 14px; line-height: 1.45; max-height: 220px; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.picture a.whole { aspect-ratio: auto; background: none; border-radius: 0; font-size: 13px; }
dialog .whole { padding: 44px 20px 12px; max-height: 80vh; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 15px; line-height: 1.5; }
.picture[data-state=drop] .text { opacity: .45; text-decoration: line-through; }
.picture[data-state=drop] img { filter: grayscale(1); opacity: .35; }
.picture .file { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 12px; color: var(--soft); direction: rtl; text-align: left; }
.words { margin: 0; font-weight: 600; font-size: 15px; line-height: 1.35; overflow-wrap: anywhere; }
.score { margin: 2px 0 0; font-size: 13px; line-height: 1.4; color: var(--soft); }
.choice { display: flex; flex-wrap: wrap; gap: 6px; margin-top: auto; }
.choice .own { width: 100%; }
button, select, input[type=number] { font: inherit; font-size: 14px; line-height: 1.3; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 7px; padding: 7px 11px; min-height: 36px; min-width: 0; max-width: 100%; }
button { cursor: pointer; overflow-wrap: anywhere; text-align: left; }
button:hover, select:hover { border-color: var(--soft); }
:is(button, select, input, a, summary):focus-visible { outline: 2px solid var(--hue1); outline-offset: 2px; }
button[aria-pressed=true] { background: var(--text); border-color: var(--text); color: var(--paper); }
button[data-action=drop][aria-pressed=true] { background: var(--bad); border-color: var(--bad); color: var(--on); }
button[data-action=relabel][aria-pressed=true] { background: var(--good); border-color: var(--good); color: var(--on); }
select { flex: 1 1 120px; }
.choice details { width: 100%; }
.choice details label { display: flex; gap: 8px; align-items: baseline; padding: 3px 0; font-size: 14px; overflow-wrap: anywhere; }
.choice details .boxes { max-height: 240px; overflow-y: auto; margin-bottom: 8px; }
.choice .value { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; font-size: 13px; width: 100%; }
.choice .value input { flex: 1 1 90px; }
.state { margin: 0; width: 100%; min-height: 20px; font-size: 13px; line-height: 20px; font-weight: 600; color: var(--good); overflow-wrap: anywhere; }
.picture[data-state=drop] .state { color: var(--bad); }
.picture[data-state=keep] .state { color: var(--soft); }
#bar { position: fixed; inset: auto 0 0; background: var(--paper); border-top: 1px solid var(--line); padding: 10px 20px; z-index: 1; }
#bar > div { max-width: 1040px; margin: 0 auto; display: flex; flex-wrap: wrap; align-items: center; gap: 6px 18px; }
#said { margin: 0; font-weight: 600; font-size: 15px; flex: 1 1 240px; max-width: none; }
#bar.failed #said { color: var(--bad); }
#bar code { order: 1; flex: 1 0 100%; overflow-x: auto; white-space: nowrap; color: var(--soft); scrollbar-width: thin; }
.ended .entries { opacity: .5; pointer-events: none; }
.ended #done { visibility: hidden; }
dialog { border: 0; padding: 0; background: var(--paper); color: var(--text); border-radius: 10px; max-width: min(96vw, 1024px); overflow: hidden; }
dialog::backdrop { background: rgb(0 0 0 / .7); }
dialog img { display: block; max-width: 100%; max-height: 80vh; min-height: 96px; margin: 0 auto; }
dialog p { margin: 0; padding: 12px 16px; font-size: 13px; overflow-wrap: anywhere; }
dialog form { position: absolute; top: 8px; right: 8px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 16px 0 0; padding: 0; list-style: none; font-size: 15px; }
@media (max-width: 520px) {
  #bar { padding: 8px 12px; }
  #bar code { display: none; }
  main { padding-bottom: 110px; }
}
`
