export { ChatMessage } from './chat-message.entity.js';
export { ChatModule } from './chat.module.js';
