import { kindOf } from './kind.ts'
import type { Version } from './model.ts'
import type { Limits } from './options.ts'

/** The OpenAPI 3.1 document of a server. */
export function openApi({ model, name, version }: Version, limits: Limits, hasToken: boolean) {
  const { card } = model
  const errors = (...codes: number[]) =>
    Object.fromEntries(codes.map(code => [code, { description: meanings[code]!, content: json(ref('Error')) }]))
  const own = ['/metrics', '/admin/reload']
  const modelName = parameter('model', 'path', { type: 'string', enum: [name] })
  const modelVersion = parameter('version', 'path', { type: 'string', example: version })
  const { noun, bodies, inputs } = kindOf(model)
  const { content, ways } = bodies(model, limits)
  const tensors = [...new Set(inputs(model).map(({ name, datatype }) => `${name} (${datatype})`))]
  const ok = (description: string, schema: object) => ({ 200: { description, content: json(schema) } })
  const infer = {
    post: {
      operationId: 'infer',
      summary: `Open Inference Protocol: answer ${noun}s.`,
      description: `Inputs: ${tensors.slice(0, 50).join(', ')}${tensors.length > 50 ? ', …' : ''}.`,
      parameters: [modelName],
      requestBody: { required: true, content: json(ref('InferenceRequest')) },
      responses: { ...ok('The outputs.', ref('InferenceResponse')), ...errors(400, 404, 413, 415, 422, 503, 504) },
    },
  }
  const about = (summary: string) => ({ get: { summary, responses: ok(summary, { type: 'object' }) } })
  return {
    openapi: '3.1.0',
    info: {
      title: card.name,
      version,
      description: `Answers ${noun}s by the model ${name}: ${card.task}, ${card.classes.length} classes. ${ways}.`,
      ...('licence' in card && card.licence ? { license: { name: card.licence } } : {}),
    },
    ...(hasToken ? { security: [{ token: [] }] } : {}),
    paths: {
      '/predict': {
        post: {
          operationId: 'predict',
          summary: `Answer one ${noun} or several.`,
          parameters: [parameter('top', 'query', { type: 'integer', minimum: 1, default: 5 })],
          requestBody: {
            required: true,
            content,
          },
          responses: {
            ...ok('The answer; for several, a list of answers.', {
              oneOf: [ref('Prediction'), object({ predictions: { type: 'array', items: ref('Prediction') } })],
            }),
            207: { description: `Some ${noun}s of several could not be answered: those have an error.` },
            ...errors(400, 401, 408, 413, 415, 422, 503, 504),
          },
        },
      },
      '/v2': about('Open Inference Protocol: the server.'),
      '/v2/health/live': about('Whether the process lives.'),
      '/v2/health/ready': about('Whether requests are taken; 503 while the server ends.'),
      '/v2/models/{model}': { ...about('The model, its inputs and outputs.'), parameters: [modelName] },
      '/v2/models/{model}/ready': { ...about('Whether the model is ready.'), parameters: [modelName] },
      '/v2/models/{model}/infer': infer,
      '/v2/models/{model}/versions/{version}/infer': {
        post: { ...infer.post, operationId: 'inferVersion', parameters: [modelName, modelVersion] },
      },
      [own[0]!]: { get: { summary: 'Metrics for Prometheus.', responses: { 200: { description: 'Text.' } } } },
      [own[1]!]: {
        post: {
          summary: 'Load the model file again and swap it in, without a gap.',
          responses: { ...ok('The new version.', { type: 'object' }), ...errors(401, 403, 409, 422) },
        },
      },
    },
    components: {
      schemas: schemas(model),
      ...(hasToken ? { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } } : {}),
    },
  }
}

const meanings: Record<number, string> = {
  400: 'The request is malformed.',
  401: 'The token is missing or wrong.',
  403: 'Not allowed.',
  404: 'There is no such model or version.',
  408: 'The body came too slowly.',
  409: 'Another version is being loaded.',
  413: 'Too many bytes, pixels, pictures, rows, texts or recordings, or a recording that lasts too long.',
  415: 'The type or encoding is not taken.',
  422: 'The picture or recording can not be decoded, or the row does not fit: the error names row and column; or a text is empty.',
  503: 'The queue is full; Retry-After says when to try again.',
  504: 'The answer took too long.',
}

const json = (schema: object) => ({ 'application/json': { schema } })
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const object = (properties: Record<string, object>, required = Object.keys(properties)) => ({
  type: 'object',
  properties,
  required,
})
const parameter = (name: string, place: 'path' | 'query', schema: object) => ({
  name,
  in: place,
  ...(place === 'path' ? { required: true } : {}),
  schema,
})

function schemas({ card: { task, classes }, kind }: Version['model']) {
  const number = { type: 'number' }
  const label = classes.length <= 1000 ? { type: 'string', enum: classes } : { type: 'string' }
  const scores = { type: 'object', additionalProperties: number }
  const about = {
    model: { type: 'string' },
    version: { type: 'string' },
    ...(kind === 'table'
      ? {
          unknown: {
            type: 'array',
            items: { type: 'string' },
            description: 'Columns whose word training did not have.',
          },
        }
      : kind === 'text'
        ? {}
        : { file: { type: 'string' } }),
  }
  const prediction = {
    single: object({ label, probability: number, probabilities: scores }),
    multi: object({ labels: { type: 'array', items: label }, probabilities: scores }),
    regression: object({ values: scores }),
  }[task]
  const tensor = object(
    {
      name: { type: 'string' },
      datatype: { type: 'string' },
      shape: { type: 'array', items: { type: 'integer' } },
      parameters: { type: 'object' },
      data: { type: 'array' },
    },
    ['name', 'datatype', 'shape'],
  )
  return {
    Error: object({ error: { type: 'string' } }),
    Prediction: { ...prediction, properties: { ...prediction.properties, ...about } },
    InferenceRequest: object(
      { id: { type: 'string' }, inputs: { type: 'array', items: tensor }, outputs: { type: 'array' } },
      ['inputs'],
    ),
    InferenceResponse: object({
      model_name: { type: 'string' },
      model_version: { type: 'string' },
      outputs: { type: 'array', items: tensor },
    }),
  }
}
