/// Chats: messages, the templates that turn them into text, formats by name, and what is learned of a conversation.
///
///     zoft::io::chat_template form(source, "model.gguf: tokenizer.chat_template");
///     form.render(messages, true, {.bos = "<s>", .eos = "</s>"});      // a prompt for an answer
///     zoft::io::segments(form, messages, {.bos = "<s>", .eos = "</s>"}); // a conversation to learn the answers of
#pragma once

#include "chat/chat_template.hpp"
#include "chat/formats.hpp"
#include "chat/message.hpp"
#include "chat/segments.hpp"
