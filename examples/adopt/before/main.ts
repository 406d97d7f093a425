import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule.forRoot(process.env['DATABASE_URL'] ?? ''));
await app.listen(process.env['PORT'] ?? 3000);
