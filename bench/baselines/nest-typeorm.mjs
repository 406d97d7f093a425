// Baseline (b): NestJS and TypeORM as such an app is ordinarily written, without tenancy of any kind.
// Plain JavaScript, so the decorators are called by hand.
import 'reflect-metadata';
import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  Inject,
  Injectable,
  Module,
  NotFoundException,
  Param,
  PayloadTooLargeException,
  Post,
  ValidationPipe,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getRepositoryToken, TypeOrmModule } from '@nestjs/typeorm';
import { IsNotEmpty, IsOptional, IsString } from 'class-validator';
import { Column, Entity, MoreThan, PrimaryColumn } from 'typeorm';
import { v7 as newId } from 'uuid';
import * as common from './common.mjs';

function property(type, name, ...decorators) {
  for (const decorator of decorators) decorator(type.prototype, name);
}

function method(type, name, decorators, parameters, types) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
  Reflect.defineMetadata('design:paramtypes', types, type.prototype, name);
  for (const decorator of decorators) decorator(type.prototype, name, descriptor);
  parameters.forEach((decorator, index) => decorator(type.prototype, name, index));
}

class ChatSession {}
Entity('chat_sessions')(ChatSession);
property(ChatSession, 'tenantId', PrimaryColumn('uuid', { name: 'tenant_id' }));
property(ChatSession, 'id', PrimaryColumn('uuid'));
property(ChatSession, 'tokenHash', Column('bytea', { name: 'token_hash' }));
property(ChatSession, 'createdAt', Column('timestamptz', { name: 'created_at' }));
property(ChatSession, 'lastActiveAt', Column('timestamptz', { name: 'last_active_at' }));

class ChatMessage {}
Entity('chat_messages')(ChatMessage);
property(ChatMessage, 'tenantId', PrimaryColumn('uuid', { name: 'tenant_id' }));
property(ChatMessage, 'id', PrimaryColumn('uuid'));
property(ChatMessage, 'sessionId', Column('uuid', { name: 'session_id' }));
property(ChatMessage, 'role', Column('text'));
property(ChatMessage, 'content', Column('text'));
property(ChatMessage, 'model', Column('text', { nullable: true }));
property(ChatMessage, 'createdAt', Column('timestamptz', { name: 'created_at' }));

class SessionRequest {}
property(SessionRequest, 'tenant_id', IsOptional(), IsString());

class ChatRequest {}
property(ChatRequest, 'tenant_id', IsOptional(), IsString());
property(ChatRequest, 'session_id', IsString());
property(ChatRequest, 'message', IsString(), IsNotEmpty());

const tenants = common.loadTenants();

function tenantOf(slug) {
  const tenant = tenants.get(slug);
  if (!tenant) throw new NotFoundException('unknown tenant');
  return tenant;
}

class ChatService {
  constructor(sessions, messages) {
    this.sessions = sessions;
    this.messages = messages;
  }

  async open(tenant) {
    const token = common.newToken();
    const now = new Date();
    const row = {
      tenantId: tenant.id,
      id: newId(),
      tokenHash: common.hashOf(token),
      createdAt: now,
      lastActiveAt: now,
    };
    await this.sessions.insert(row);
    return token;
  }

  async session(tenant, token) {
    const session = await this.sessions.findOneBy({
      tenantId: tenant.id,
      tokenHash: common.hashOf(token),
      lastActiveAt: MoreThan(new Date(Date.now() - common.SESSION_IDLE_MS)),
    });
    if (!session) throw new NotFoundException('unknown session');
    return session;
  }

  async chat(tenant, token, message) {
    const asked = new Date();
    const session = await this.session(tenant, token);
    const reply = common.replyOf(tenant, message);
    const base = { tenantId: tenant.id, sessionId: session.id };
    await this.messages.insert([
      { ...base, id: newId(), role: 'user', content: message, model: null, createdAt: asked },
      { ...base, id: newId(), role: 'assistant', content: reply, model: tenant.model, createdAt: new Date() },
    ]);
    return reply;
  }
}
Injectable()(ChatService);
Inject(getRepositoryToken(ChatSession))(ChatService, undefined, 0);
Inject(getRepositoryToken(ChatMessage))(ChatService, undefined, 1);

class ChatController {
  constructor(chats) {
    this.chats = chats;
  }

  hello() {
    return { ok: true };
  }

  async open(body) {
    const tenant = tenantOf(body.tenant_id);
    const token = await this.chats.open(tenant);
    return { session_id: token, tenant: { id: tenant.slug, name: tenant.name, welcome: tenant.welcome } };
  }

  async chat(body) {
    if (!common.fits(body.message)) throw new PayloadTooLargeException();
    const tenant = tenantOf(body.tenant_id);
    const reply = await this.chats.chat(tenant, body.session_id, body.message);
    return { tenant_id: tenant.slug, session_id: body.session_id, reply, model: tenant.model, mock: true };
  }

  async read(id, slug) {
    const tenant = tenantOf(slug);
    return common.sessionView(tenant, await this.chats.session(tenant, id));
  }
}
Controller()(ChatController);
Inject(ChatService)(ChatController, undefined, 0);
method(ChatController, 'hello', [Get()], [], []);
method(ChatController, 'open', [Post('session')], [Body()], [SessionRequest]);
method(ChatController, 'chat', [Post('chat'), HttpCode(200)], [Body()], [ChatRequest]);
method(ChatController, 'read', [Get('api/sessions/:id')], [Param('id'), Headers('x-tenant-id')], [String, String]);

class AppModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: common.databaseUrl,
      entities: [ChatSession, ChatMessage],
      poolSize: common.poolSize,
      installExtensions: false,
    }),
    TypeOrmModule.forFeature([ChatSession, ChatMessage]),
  ],
  controllers: [ChatController],
  providers: [ChatService],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.use(common.accessLog());
app.useGlobalPipes(new ValidationPipe({ whitelist: true, transform: true }));
await app.listen(common.port, '127.0.0.1');
common.stopWith(() => app.getHttpServer().closeAllConnections());
