import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendProblem } from './problem.filter.js';

describe('an error of the database', () => {
  let server: http.Server;
  let origin: string;
  beforeAll(async () => {
    const app = express();
    app.get('/:code', (request, response) => {
      const driverError = Object.assign(new Error('invalid byte sequence'), { code: request.params.code });
      sendProblem(request, response, Object.assign(new Error('failed'), { driverError }), new Logger('Test'));
    });
    server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it.each([
    ['22021', 422, 'text_not_storable'],
    ['22P05', 422, 'text_not_storable'],
    ['57P01', 503, 'database_unavailable'],
    ['53100', 503, 'database_full'],
    ['58030', 503, 'database_full'],
    ['22012', 500, 'internal_error'],
  ])('%s is answered %i', async (sqlState, status, code) => {
    const answer = await fetch(`${origin}/${sqlState}`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
  });
});
