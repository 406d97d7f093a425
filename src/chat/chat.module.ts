import { Module } from '@nestjs/common';
import { SessionModule } from '../session/index.js';
import { ChatController } from './chat.controller.js';
import { ChatCopies } from './chat.copies.js';
import { ChatPersonalData } from './chat.personal-data.js';
import { ChatService } from './chat.service.js';
import { MessageContents } from './message.contents.js';
import { MockModelProvider } from './mock-model.provider.js';
import { MODEL_PROVIDERS } from './model.provider.js';
import { ModelQueue } from './model.queue.js';
import { OpenAiModelProvider } from './openai-model.provider.js';

@Module({
  imports: [SessionModule],
  controllers: [ChatController],
  providers: [
    ChatService,
    ModelQueue,
    ChatCopies,
    ChatPersonalData,
    MessageContents,
    OpenAiModelProvider,
    {
      provide: MODEL_PROVIDERS,
      inject: [OpenAiModelProvider],
      useFactory: (real: OpenAiModelProvider) => [new MockModelProvider(), real],
    },
  ],
})
export class ChatModule {}
