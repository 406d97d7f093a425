import { type DynamicModule, Module, ValidationPipe } from '@nestjs/common';
import { APP_PIPE } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CreateNotes1700000000000 } from './create-notes.js';
import { Note } from './note.entity.js';
import { Notebook } from './notebook.entity.js';
import { NotesController } from './notes.controller.js';
import { NotesService } from './notes.service.js';

@Module({})
export class AppModule {
  static forRoot(url: string): DynamicModule {
    const entities = [Notebook, Note];
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRoot({
          type: 'postgres',
          url,
          entities,
          migrations: [CreateNotes1700000000000],
          migrationsRun: true,
        }),
        TypeOrmModule.forFeature(entities),
      ],
      controllers: [NotesController],
      providers: [NotesService, { provide: APP_PIPE, useValue: new ValidationPipe({ whitelist: true }) }],
    };
  }
}
