import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, registerDecorator } from 'class-validator';
import type { ChatMessage } from './chat-message.entity.js';

/** Longest message in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 32 * 1024;

/** A text that can be stored and says something: not blank, no NUL, no lone surrogate. */
function IsMessageText(): PropertyDecorator {
  return (target, propertyName) => {
    registerDecorator({
      name: 'isMessageText',
      target: target.constructor,
      propertyName: propertyName as string,
      validator: {
        validate: (value: unknown) =>
          typeof value === 'string' && value.trim() !== '' && !value.includes('\0') && value.isWellFormed(),
        defaultMessage: () => 'must be a text that is not blank and holds no NUL and no lone surrogate',
      },
    });
  };
}

export class ChatRequest {
  @ApiProperty({ example: 'acme', required: false, description: 'Slug of the tenant, unless named another way.' })
  @IsOptional()
  @IsString({ message: 'must be a string' })
  tenant_id?: string;

  @ApiProperty({ example: 'SESSION_ID', description: 'As answered by POST /session.' })
  @IsString({ message: 'must be a string' })
  session_id: string;

  @ApiProperty({ example: 'hello', maxLength: MAX_MESSAGE_BYTES, description: 'At most 32 KiB of UTF-8.' })
  @IsMessageText()
  message: string;
}

export class ChatResponse {
  @ApiProperty({ example: 'acme' })
  tenant_id: string;

  @ApiProperty({ example: 'SESSION_ID' })
  session_id: string;

  @ApiProperty({ example: "Howdy from Acme! [ACME MOCK] You said: 'hello'. Here's it reversed: 'olleh'" })
  reply: string;

  @ApiProperty({ example: 'mock-1' })
  model: string;

  @ApiProperty({ example: true })
  mock: boolean;
}

export class MessageView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ enum: ['user', 'assistant'] })
  role: string;

  @ApiProperty({ example: 'hello' })
  content: string;

  @ApiProperty({
    type: String,
    required: false,
    example: 'mock-1',
    description: 'The model that answered; absent for the visitor.',
  })
  model?: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of(message: ChatMessage): MessageView {
    return {
      id: message.id,
      role: message.role,
      content: message.content,
      ...(message.model === null ? {} : { model: message.model }),
      created_at: message.createdAt.toISOString(),
    };
  }
}

export class MessagePage {
  @ApiProperty({ type: [MessageView] })
  items: MessageView[];

  @ApiProperty({
    anyOf: [{ type: 'string' }, { type: 'null' }],
    example: null,
    description: 'Pass as `cursor` for the next page; null at the end.',
  })
  next_cursor: string | null;
}
