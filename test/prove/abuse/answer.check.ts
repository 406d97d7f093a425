import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { MARK } from './hostile.js';
import { type ApiDocument, type Contents, leadsTo, type Operation, type Schema } from './operations.js';
import type { Received, Sent } from './wire.js';

/** Answers of 503 that the product means, and when it gives them. */
export const MEANT: Record<string, string> = {
  tenant_busy: 'the tenant has more requests under way than its share',
  database_busy: 'every connection of the pool is in use',
  statement_timeout: 'a statement took longer than a tenant may take',
  tenant_moving: 'the tenant is being moved, and its writes wait',
  placement_unavailable: "the tenant's place cannot be reached",
  sign_in_busy: 'more passwords wait to be checked than PASSWORD_HASH_QUEUE',
  signup_busy: 'more sign-ups wait than the platform takes',
  dns_unavailable: 'the name servers do not answer',
  directory_unavailable: "the tenant's directory does not answer",
  model_unavailable: "the tenant's model server does not answer",
  resource_unavailable: 'a server of the tenant does not answer',
  mail_queue_full: 'the tenant has more mail waiting than it may',
  backup_store_unreachable: 'the store of backups cannot be reached',
};

/** What must not leave the process: where it failed, what it asked the database, what it is made of. */
const INSIDE =
  /\bat \S+ \(?(file|node|\/)\S*:\d+:\d+|node_modules|QueryFailedError|TypeORMError|\bSQLSTATE\b|syntax error at or near|relation "\w+" does not exist|Cannot read propert/;

/** Judges answers by the document and by the rules that hold for every operation. */
export class AnswerCheck {
  private readonly ajv = formats.default(new Ajv2020({ strict: false, allErrors: false, validateFormats: true }));
  private readonly compiled = new WeakMap<Schema, ValidateFunction>();

  constructor(private readonly document: ApiDocument) {}

  /** @returns what is wrong with the answer, in words that two answers with the same fault share; undefined if nothing */
  faultOf(operation: Operation, sent: Sent, answer: Received): string | undefined {
    const { status, headers, body } = answer;
    const text = body.toString('utf8');
    if (status >= 500) {
      const code = codeOf(text);
      if (status !== 503 || !Object.hasOwn(MEANT, code)) return `answers ${status} ${code}`;
    }
    if (headers['x-injected'] !== undefined || String(headers['set-cookie'] ?? '').includes(MARK)) {
      return 'lets a header be smuggled in';
    }
    const type = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
    if (status >= 400) {
      if (INSIDE.test(text)) return `tells of its inside in a ${status}`;
      const broken = this.brokenError(operation, status, type, text, headers['x-request-id']);
      if (broken) return broken;
    }
    if (status < 200) return `answers ${status}`;
    // Elsewhere other documents hold.
    if (!leadsTo(operation, sent.path) && status < 400) return undefined;
    // RFC 9110, 15.4.5: what a client has already, it is spared, whatever it asked for.
    if (status === 304 && sent.method === 'GET' && 'if-none-match' in sent.headers) return undefined;
    const declared = operation.responses[status] ?? (status >= 400 ? operation.responses['default'] : undefined);
    if (!declared) return `answers ${status}, which the document does not declare`;
    return this.misfit(
      declared.content ?? (status >= 400 ? operation.responses['default']?.content : undefined),
      status,
      type,
      body,
    );
  }

  private brokenError(
    operation: Operation,
    status: number,
    type: string,
    text: string,
    requestId: unknown,
  ): string | undefined {
    const error = jsonOf(text) as Record<string, unknown> | undefined;
    if (operation.path.startsWith('/v1/')) {
      const envelope = error?.['error'] as Record<string, unknown> | undefined;
      if (
        type !== 'application/json' ||
        typeof envelope?.['message'] !== 'string' ||
        typeof envelope['type'] !== 'string'
      ) {
        return `answers ${status} without the error envelope of /v1`;
      }
      return undefined;
    }
    if (type !== 'application/problem+json')
      return `answers ${status} with ${type || 'no type'} in place of problem+json`;
    if (error?.['status'] !== status) return `answers ${status} with another status in its problem`;
    if (error['title'] === 'Error') return `answers ${status} with a problem without a title`;
    if (requestId !== undefined && error['request_id'] !== requestId)
      return `answers ${status} with another request id in its problem`;
    return undefined;
  }

  private misfit(content: Contents | undefined, status: number, type: string, body: Buffer): string | undefined {
    // RFC 9110, 15.4: a redirection may carry a note for whoever does not follow it.
    if (status >= 300 && status < 400) return undefined;
    if (!content || Object.keys(content).length === 0) {
      return body.length > 0 ? `answers ${status} with a body that the document does not declare` : undefined;
    }
    const declared = content[type] ?? content['*/*'];
    if (!declared) return `answers ${status} with ${type || 'no type'}, which the document does not declare`;
    if (!/json$/.test(type) || type.endsWith('jsonl')) return undefined;
    const value = jsonOf(body.toString('utf8'));
    if (value === undefined) return `answers ${status} with a body that is no JSON`;
    const validate = this.validatorOf(declared.schema ?? {});
    if (validate(value)) return undefined;
    const [error] = validate.errors ?? [];
    const where = (error?.instancePath ?? '').replaceAll(/\/\d+/g, '/0');
    return `answers ${status} with another shape than declared: ${where || 'the body'} ${error?.message}`;
  }

  private validatorOf(schema: Schema): ValidateFunction {
    let validate = this.compiled.get(schema);
    if (!validate) {
      validate = this.ajv.compile({ ...schema, components: this.document.components });
      this.compiled.set(schema, validate);
    }
    return validate;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The code of a problem, or of an error of /v1. */
export function codeOf(text: string): string {
  const error = jsonOf(text) as { code?: string; error?: { code?: string } } | undefined;
  return error?.code ?? error?.error?.code ?? 'without a problem';
}
