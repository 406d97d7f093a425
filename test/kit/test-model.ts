import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ModelCall {
  authorization: string | undefined;
  model: string;
  messages: { role: string; content: string }[];
}

export interface TestModel {
  port: number;
  /** For model.base_url. */
  url: string;
  calls: ModelCall[];
  /** Answers in place of the usual one; undefined: the usual one, which repeats the question. */
  answer: ((response: ServerResponse) => void) | undefined;
  close(): Promise<void>;
}

/** A server on loopback that speaks as much of the OpenAI chat completions API as a chat needs. @param key that it takes */
export async function startModel(key?: string, address = '127.0.0.1'): Promise<TestModel> {
  const served = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') return refuse(response, 404);
    const { authorization } = request.headers;
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Omit<ModelCall, 'authorization'>;
    model.calls.push({ authorization, ...body });
    if (key !== undefined && authorization !== `Bearer ${key}`) return refuse(response, 401, authorization);
    if (model.answer) return model.answer(response);
    completes(response, `You said: ${body.messages.at(-1)?.content ?? ''}`);
  };
  const server = createServer((request, response) => void served(request, response));
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  const model: TestModel = {
    port,
    url: `http://${address}:${port}/v1`,
    calls: [],
    answer: undefined,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return model;
}

/** Answers as a model does. */
export function completes(response: ServerResponse, content: string): void {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  response
    .writeHead(200, { 'Content-Type': 'application/json' })
    .end(JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm', choices, usage }));
}

/** Answers with an error that quotes what it was sent, as servers do. */
export function refuse(response: ServerResponse, status: number, quoted = ''): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json', Location: 'http://169.254.169.254/' })
    .end(JSON.stringify({ error: { message: `said-by-the-peer ${quoted}`, type: 'error' } }));
}
