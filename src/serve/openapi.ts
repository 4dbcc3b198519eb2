import { formatNames } from './header.ts'
import { ways } from './inputs.ts'
import type { Version } from './models.ts'
import type { Limits } from './options.ts'

/** The OpenAPI 3.1 document of a server. */
export function openApi({ model, name, version }: Version, limits: Limits, hasToken: boolean) {
  const { card } = model
  const errors = (...codes: number[]) =>
    Object.fromEntries(codes.map(code => [code, { description: meanings[code]!, content: json(ref('Error')) }]))
  const own = ['/metrics', '/admin/reload']
  const modelName = parameter('model', 'path', { type: 'string', enum: [name] })
  const modelVersion = parameter('version', 'path', { type: 'string', example: version })
  const picture = { type: 'string', format: 'binary', description: `A ${formatNames.join(', ')} file.` }
  const ok = (description: string, schema: object) => ({ 200: { description, content: json(schema) } })
  const infer = {
    post: {
      operationId: 'infer',
      summary: 'Open Inference Protocol: label pictures. A picture is a BYTES tensor (a file) or UINT8 pixels.',
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
      description: `Labels pictures by the model ${name}: ${card.task}, ${card.classes.length} classes. ${ways}.`,
      ...(card.licence ? { license: { name: card.licence } } : {}),
    },
    ...(hasToken ? { security: [{ token: [] }] } : {}),
    paths: {
      '/predict': {
        post: {
          operationId: 'predict',
          summary: 'Label one picture or several.',
          parameters: [parameter('top', 'query', { type: 'integer', minimum: 1, default: 5 })],
          requestBody: {
            required: true,
            content: {
              'image/*': { schema: picture },
              'application/octet-stream': { schema: picture },
              'multipart/form-data': {
                schema: {
                  type: 'object',
                  properties: { file: { type: 'array', items: picture, maxItems: limits.maxPictures } },
                },
              },
              ...json({
                oneOf: [
                  object({ image: { type: 'string', contentEncoding: 'base64' } }),
                  object({
                    images: {
                      type: 'array',
                      items: { type: 'string', contentEncoding: 'base64' },
                      maxItems: limits.maxPictures,
                    },
                  }),
                ],
              }),
            },
          },
          responses: {
            ...ok('The answer; for a form or a list of pictures, a list of answers.', {
              oneOf: [ref('Prediction'), object({ predictions: { type: 'array', items: ref('Prediction') } })],
            }),
            207: { description: 'Some pictures of several could not be answered: those have an error.' },
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
      schemas: schemas(card),
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
  413: 'Too many bytes, pixels or pictures.',
  415: 'The type or encoding is not taken.',
  422: 'The picture can not be decoded.',
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

function schemas({ task, classes }: Version['model']['card']) {
  const number = { type: 'number' }
  const label = classes.length <= 1000 ? { type: 'string', enum: classes } : { type: 'string' }
  const scores = { type: 'object', additionalProperties: number }
  const about = { model: { type: 'string' }, version: { type: 'string' }, file: { type: 'string' } }
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
