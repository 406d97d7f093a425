import { STATUS_CODES } from 'node:http';
import { applyDecorators } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  ApiBearerAuth,
  ApiHeader,
  ApiSecurity,
  DocumentBuilder,
  type OpenAPIObject,
  SwaggerModule,
} from '@nestjs/swagger';

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
      items: {
        type: 'object',
        properties: { pointer: { type: 'string' }, rule: { type: 'string' }, detail: { type: 'string' } },
      },
    },
  },
  example: {
    type: 'urn:tenantry:problem:validation_failed',
    title: 'Unprocessable Content',
    status: 422,
    detail: 'The request does not have the expected shape.',
    instance: '/session',
    code: 'validation_failed',
    remedy: 'Correct the fields listed in `errors` and send the request again.',
    errors: [{ pointer: '/tenant_id', detail: 'must be a string' }],
    request_id: 'aaffa9b6-36fc-4ca4-8248-d77385e82db7',
  },
} as const;

const PROBLEM_CONTENT = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

/** Stand in the committed document where the served one has a tenant and a session that work. */
const TENANT_EXAMPLE = '"example":"acme"';
const EMAIL_EXAMPLE = '@acme.example';
const SESSION_PLACEHOLDER = 'SESSION_ID';

const DESCRIPTION = `One deployment, many tenants, kept apart at every layer.

Name the tenant of a request in any of these ways; all that are given must agree:
- a domain of its own: \`chat.acme-corp.com\`, once verified
- subdomain: \`acme.localhost\`, where \`localhost\` is the \`BASE_DOMAIN\` of the service
- path prefix: \`/acme/api/…\`
- header: \`X-Tenant-ID: acme\`
- credential: an access token or API key, where nothing else names a tenant
- body: \`"tenant_id": "acme"\`, for \`POST /session\` and \`POST /chat\`

Errors are \`application/problem+json\` (RFC 9457) with a \`code\`, a \`remedy\` and the \`request_id\`.`;

/** In the order in which Swagger UI shows them. */
const TAGS: [name: string, description: string][] = [
  ['session', "A visitor's chat session with a tenant"],
  ['chat', 'Messages to the model of the tenant, and their history'],
  ['signup', "Becoming a customer without anybody's help, and the invites for it"],
  ['auth', 'Signing in as a user of a tenant, and the keys that sign access tokens'],
  ['account', 'What a person does with their own account: password, e-mail address, second factor, devices'],
  ['api-keys', 'Credentials for programs'],
  ['audit', 'Who did what in the tenant'],
  ['support', 'Platform admins who act as users of the tenant, and its consent'],
  ['platform', 'Platform admins: signing in, who they are, their audit log, acting as a user of a tenant'],
  ['tenants', 'Platform admins: making, changing, finding, stopping and removing tenants'],
  ['plans', 'Platform admins: the plans that tenants can have'],
  ['servers', 'Platform admins: the servers that tenants are placed on'],
  ['users', 'The people of the tenant'],
  ['roles', 'What the people of the tenant may do'],
  ['invitations', 'Bringing people into the tenant'],
  ['domains', 'Domains of the tenant itself'],
  ['features', 'What the tenant has beyond the common'],
  ['config', 'Settings: of the tenant itself; for platform admins those of any tenant, of plans and of the platform'],
  ['files', 'Files of the tenant and its people'],
  ['branding', 'How the tenant looks in mails and pages'],
  ['sandboxes', 'Copies of the tenant, to try things out in or to train people'],
  ['health', 'For load balancers and monitoring'],
];

/** Whose credentials "Try it out" uses in the demo. */
export interface DemoVisitor {
  /** Slug of the tenant. */
  tenant: string;
  /** A session_id of it. */
  session: string;
}

/** Documents that the header may name the tenant; the tenancy middleware reads it on every route. */
export const ApiTenantHeader = () =>
  ApiHeader({
    name: 'X-Tenant-ID',
    required: false,
    example: 'acme',
    description: 'Slug of the tenant, unless named another way.',
  });

/** Documents that a bearer credential may be sent and need not be. */
export const ApiOptionalBearer = () => applyDecorators(ApiSecurity({}), ApiBearerAuth('bearer'));

/** The OpenAPI 3.1 document of the application. @param tags beyond Tenantry's own, which they follow */
export function buildOpenApi(
  app: NestExpressApplication,
  tags: [name: string, description: string][] = [],
): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Tenantry')
    .setDescription(DESCRIPTION)
    .setVersion('0.1.0')
    .setOpenAPIVersion('3.1.0')
    .addSecurity('session', {
      type: 'apiKey',
      in: 'header',
      name: 'Authorization',
      description: '`Session`, a space, and a `session_id` as answered by `POST /session`. The demo fills one in.',
    })
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', description: 'An `access_token` of `POST /api/auth/login`, or an API key.' },
      'bearer',
    )
    .build();
  config.tags = [...TAGS, ...tags].map(([name, description]) => ({ name, description }));
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  const schemas = (document.components ??= {}).schemas ?? (document.components.schemas = {});
  schemas['Problem'] = PROBLEM as never;
  for (const methods of Object.values(document.paths)) {
    for (const operation of Object.values(methods) as {
      responses?: Record<string, { description: string; content?: unknown }>;
    }[]) {
      if (!operation.responses) continue;
      for (const [status, response] of Object.entries(operation.responses)) {
        response.description ||= STATUS_CODES[status] ?? '';
        if (Number(status) >= 400) response.content ??= PROBLEM_CONTENT;
      }
      operation.responses['default'] = {
        description: 'The request was not served; the body says why and what to do.',
        content: PROBLEM_CONTENT,
      };
    }
  }
  return document;
}

/**
 * Serves `/openapi.json` and Swagger UI at `/docs`.
 *
 * @param build called once, by the first request: no start has to wait for it
 * @param demoVisitor who makes "Try it out" work as it stands; undefined outside demo mode
 */
export function serveOpenApi(
  app: NestExpressApplication,
  build: () => OpenAPIObject,
  demoVisitor?: () => Promise<DemoVisitor | undefined>,
): void {
  let document: OpenAPIObject | undefined;
  let text: string | undefined;
  const built = (): OpenAPIObject => (document ??= build());
  const current = async (): Promise<OpenAPIObject> => {
    const visitor = await demoVisitor?.();
    if (!visitor) return built();
    const working = (text ??= JSON.stringify(built()))
      .replaceAll(SESSION_PLACEHOLDER, visitor.session)
      .replaceAll(TENANT_EXAMPLE, `"example":"${visitor.tenant}"`)
      .replaceAll(EMAIL_EXAMPLE, `@${visitor.tenant}.example`);
    return JSON.parse(working) as OpenAPIObject;
  };
  SwaggerModule.setup('docs', app, built, {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
    customSiteTitle: 'Tenantry API',
    customCss: '.swagger-ui .topbar { display: none }',
    patchDocumentOnRequest: current,
    swaggerOptions: {
      defaultModelsExpandDepth: 0,
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
  const chat = document.components?.schemas?.['ChatRequest'] as
    { properties?: { session_id?: { example?: string } } } | undefined;
  const session = chat?.properties?.session_id?.example;
  if (session && session !== 'SESSION_ID') ui.preauthorizeApiKey('session', `Session ${session}`);
}
