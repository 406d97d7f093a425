import type { LanguageModel } from 'ai';
import { StatedFailure } from '../common/index.js';
import { OutboundRefused } from '../outbound/index.js';
import type { Turn } from './model.provider.js';

/** A model server that did not answer as it should. Its reason is for admins: nothing that the server said. */
export class ModelFailure extends StatedFailure {}

export interface ModelServer {
  /** What {@link ModelClient.check} asks. */
  model: string;
  /** Before `/chat/completions`. */
  baseUrl: string;
  apiKey: string | undefined;
  fetch: typeof fetch;
}

/** Asks a server that speaks the OpenAI chat completions API. */
export class ModelClient {
  /** The libraries are loaded with the first one: they take about a second. */
  static async open({ model, baseUrl, apiKey, fetch }: ModelServer): Promise<ModelClient> {
    // It would write to the standard output.
    globalThis.AI_SDK_LOG_WARNINGS = false;
    const [{ generateText }, { createOpenAICompatible }] = await Promise.all([
      import('ai'),
      import('@ai-sdk/openai-compatible'),
    ]);
    const server = createOpenAICompatible({
      name: 'model',
      baseURL: baseUrl,
      ...(apiKey !== undefined && { apiKey }),
      fetch,
    });
    return new ModelClient(model, (name) => server.chatModel(name), generateText);
  }

  private constructor(
    private readonly model: string,
    private readonly modelOf: (name: string) => LanguageModel,
    private readonly generate: typeof import('ai').generateText,
  ) {}

  /**
   * Asks once: whoever waits can ask again.
   *
   * @param turns oldest first, the question last
   * @throws ModelFailure, OutboundRefused, and the reason of `signal` when it aborts other than by its time
   */
  async complete(model: string, turns: Turn[], signal: AbortSignal): Promise<string> {
    let text: string;
    try {
      const options = { model: this.modelOf(model), messages: turns, maxRetries: 0, abortSignal: signal };
      ({ text } = await this.generate(options));
    } catch (error) {
      throw faultOf(error, signal);
    }
    // PostgreSQL stores neither.
    const reply = text.replaceAll('\0', '').toWellFormed();
    if (reply.trim() === '') throw new ModelFailure('The model server answered nothing.');
    return reply;
  }

  /** @throws as {@link complete} */
  async check(signal: AbortSignal): Promise<void> {
    await this.complete(this.model, [{ role: 'user', content: 'Say OK.' }], signal);
  }
}

/** Without the error itself, which holds what was said and what the server answered. */
function faultOf(thrown: unknown, signal: AbortSignal): unknown {
  const errors = causes(thrown);
  const refused = errors.find((error) => error instanceof OutboundRefused);
  if (refused) return refused;
  if (errors.some(({ name }) => name === 'TimeoutError')) {
    return new ModelFailure('The model server did not answer in time.');
  }
  if (signal.aborted) return signal.reason;
  if (errors.some((error) => error instanceof RangeError)) {
    return new ModelFailure('The model server answered more than is read.');
  }
  const status = errors.map((error) => (error as { statusCode?: number }).statusCode).find(Boolean);
  return new ModelFailure(status === undefined ? trouble(errors) : toldBy(status));
}

function toldBy(status: number): string {
  if (status === 401 || status === 403) return 'The model server refused the key.';
  if (status === 404) return 'The model server does not know the model, or is not at model.base_url.';
  if (status === 429) return 'The model server takes no more requests of this key for now.';
  if (status >= 500) return `The model server failed (${status}).`;
  if (status >= 400) return `The model server did not take the request (${status}).`;
  if (status >= 300) return 'The model server is elsewhere: it answers with a redirect.';
  return 'What answers at model.base_url does not speak the OpenAI API.';
}

function trouble(errors: readonly Error[]): string {
  const code = errors.map((error) => (error as { code?: unknown }).code).find((one) => typeof one === 'string');
  if (code !== undefined && /CERT|SELF_SIGNED|VERIFY/.test(code)) {
    return 'The certificate of the model server is not trusted, has run out, or is for another name.';
  }
  return errors.some((error) => error instanceof TypeError || code !== undefined)
    ? 'The model server cannot be reached.'
    : 'What answers at model.base_url does not speak the OpenAI API.';
}

/** An error, and what led to it. */
function causes(thrown: unknown): Error[] {
  const found: Error[] = [];
  for (let error = thrown; error instanceof Error && found.length < 10; error = error.cause) found.push(error);
  return found;
}
