import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const PROBLEM = {
  type: 'object',
  description: 'RFC 9457 problem details.',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    remedy: { type: 'string' },
    request_id: { type: 'string' },
    errors: {
      type: 'array',
      items: { type: 'object', properties: { pointer: { type: 'string' }, detail: { type: 'string' } } },
    },
  },
} as const;

/** Stands in the committed document where the served one has a session that works. */
export const SESSION_PLACEHOLDER = 'SESSION_ID';

/** The OpenAPI 3.1 document of the application. */
export function buildOpenApi(app: NestExpressApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Tenantry')
    .setDescription(
      'A multi-tenant SaaS backend. A tenant is named by subdomain, path prefix, X-Tenant-ID or tenant_id.',
    )
    .setVersion('0.1.0')
    .setOpenAPIVersion('3.1.0')
    .addSecurity('session', {
      type: 'apiKey',
      in: 'header',
      name: 'Authorization',
      description: 'The word `Session`, a space, and a session_id.',
    })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  const schemas = (document.components ??= {}).schemas ?? (document.components.schemas = {});
  schemas['Problem'] = PROBLEM as never;
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods) as { responses?: Record<string, unknown> }[]) {
      if (!operation.responses) continue;
      operation.responses['default'] = {
        description: 'The request was not served; the body says why and what to do.',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      };
    }
  }
  return document;
}

/**
 * Serves `/openapi.json` and Swagger UI at `/docs`.
 *
 * @param demoSession a session of acme that "Try it out" can use as it stands; undefined outside demo mode
 */
export function serveOpenApi(
  app: NestExpressApplication,
  document: OpenAPIObject,
  demoSession: () => string | undefined,
): void {
  const text = JSON.stringify(document);
  const current = (): OpenAPIObject =>
    JSON.parse(text.replaceAll(SESSION_PLACEHOLDER, demoSession() ?? SESSION_PLACEHOLDER)) as OpenAPIObject;
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Tenantry API',
    patchDocumentOnRequest: () => current(),
    swaggerOptions: {
      displayRequestDuration: true,
      onComplete: authorizeDemoSession,
    },
  });
}

/** Runs in the browser: fills in the demo session so that "Try it out" needs no editing. */
function authorizeDemoSession(): void {
  const { ui } = globalThis as unknown as {
    ui: {
      specSelectors: { specJson(): { toJS(): OpenAPIObject } };
      preauthorizeApiKey(name: string, key: string): void;
    };
  };
  const document = ui.specSelectors.specJson().toJS();
  const chat = document.components?.schemas?.['ChatRequest'] as { properties?: { session_id?: { example?: string } } };
  const session = chat.properties?.session_id?.example;
  if (session && session !== 'SESSION_ID') ui.preauthorizeApiKey('session', `Session ${session}`);
}
