import { scoreTable, words } from './answers.ts'
import type { Engine } from './engine.ts'
import type { Given } from './inputs.ts'
import { at, make, percent, type Setup } from './setup.ts'

/** Why a camera can not be used, and what to do. */
const reasons: Record<string, string> = {
  NotAllowedError:
    'The browser does not let this page use the camera. Allow it in the settings of the page, beside its address.',
  NotFoundError: 'No camera is found.',
  NotReadableError: 'Another program uses the camera. End it, and try again.',
  OverconstrainedError: 'No such camera is found.',
}

/** How often at most a screen reader hears a new answer, in milliseconds. */
const pause = 2000

/** The live answers for a camera. take: is called with a picture that the reader keeps. */
export function watchCamera(
  setup: Setup,
  engine: Promise<Engine>,
  { take, say }: { take: (given: Given[]) => void; say: (text: string, bad?: boolean) => void },
): void {
  const [start, box, video] = [at<HTMLButtonElement>('camera'), at('live'), at<HTMLVideoElement>('video')]
  const [turn, keep, stop] = [at('turn'), at('keep'), at('stop')]
  let stream: MediaStream | undefined
  let facing: 'environment' | 'user' = 'environment'
  let count = 0
  start.hidden = false

  const end = () => {
    for (const track of stream?.getTracks() ?? []) track.stop()
    stream = undefined
    video.srcObject = null
    box.hidden = true
    start.hidden = false
  }
  const begin = async () => {
    end()
    if (!navigator.mediaDevices?.getUserMedia) {
      say('The camera works only on pages that come over https.', true)
      return
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing }, audio: false })
    } catch (error) {
      const { name, message } = error as Error
      say(reasons[name] ?? `The camera can not be used (${message}).`, true)
      return
    }
    video.srcObject = stream
    await video.play()
    box.hidden = false
    start.hidden = true
    const cameras = await navigator.mediaDevices.enumerateDevices()
    turn.hidden = cameras.filter(({ kind }) => kind === 'videoinput').length < 2
    stop.focus()
    for (const track of stream.getTracks()) track.addEventListener('ended', end)
    await answerLive(stream).catch(end) // the model did not start, which was said
  }

  const answerLive = async (own: MediaStream) => {
    const { answer } = await engine
    let said = ''
    let before = ''
    let at_ = 0
    while (stream === own) {
      if (document.hidden || video.readyState < 2) {
        await new Promise(resolve => setTimeout(resolve, 200))
        continue
      }
      const input = await createImageBitmap(video)
      try {
        const found = await answer({ input, heat: false, thumbnail: false })
        if (stream !== own) return
        const { prediction } = found
        const text = words(setup, found)
        at('live-answer').replaceChildren(
          make('h3', [make('bdi', text), prediction.task === 'single' ? ` ${percent(prediction.probability)}` : '']),
          scoreTable(setup, prediction.scores),
        )
        const isNew = text !== said && text === before && performance.now() - at_ > pause
        before = text
        if (isNew && prediction.task !== 'regression') {
          say(`Camera: ${text}`)
          said = text
          at_ = performance.now()
        }
      } catch (error) {
        say((error as Error).message, true)
        end()
      }
      await new Promise(resolve => requestAnimationFrame(resolve))
    }
  }

  start.addEventListener('click', begin)
  stop.addEventListener('click', () => {
    end()
    start.focus()
  })
  turn.addEventListener('click', () => {
    facing = facing === 'user' ? 'environment' : 'user'
    void begin()
  })
  keep.addEventListener('click', () => {
    const canvas = make('canvas', [], { width: video.videoWidth, height: video.videoHeight })
    canvas.getContext('2d')!.drawImage(video, 0, 0)
    canvas.toBlob(file => file && take([{ name: `camera ${++count}`, file }]), 'image/png')
  })
}
