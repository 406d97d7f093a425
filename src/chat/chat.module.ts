import { Module } from '@nestjs/common';
import { SessionModule } from '../session/index.js';
import { ChatController } from './chat.controller.js';
import { ChatCopies } from './chat.copies.js';
import { ChatPersonalData } from './chat.personal-data.js';
import { ChatService } from './chat.service.js';
import { MessageContents } from './message.contents.js';
import { MockModelProvider } from './mock-model.provider.js';
import { MODEL_PROVIDERS } from './model.provider.js';

@Module({
  imports: [SessionModule],
  controllers: [ChatController],
  providers: [
    ChatService,
    ChatCopies,
    ChatPersonalData,
    MessageContents,
    { provide: MODEL_PROVIDERS, useValue: [new MockModelProvider()] },
  ],
})
export class ChatModule {}
