// Live events over server-sent events: a stream for each answer, and one for changes.
import type { AnswerEvent, AnswerState, ChangeEvent, LiveSource } from './events';
import { followSse } from './sse';
import type { RunExtra } from '../api';

interface WireEvent {
  type?: string;
  offset?: number;
  text?: string;
  next?: number;
  state?: AnswerState;
  extra?: RunExtra | null;
  error?: unknown;
  what?: string;
  id?: string;
  chat?: string;
}

export const sseSource: LiveSource = {
  follow(message, from, listener: (event: AnswerEvent) => void) {
    let place = from;
    return followSse({
      url: () => `/api/messages/${encodeURIComponent(message)}/events?from=${place}`,
      onData: (json) => {
        const event = json as WireEvent;
        if (event.type === 'text') {
          place = event.next ?? place;
          listener({ type: 'text', offset: event.offset ?? 0, text: event.text ?? '', next: place });
          return true;
        }
        if (event.type === 'ended') {
          const { offset = 0, state = 'complete', extra = null } = event;
          listener({ type: 'ended', offset, state, extra });
          return false;
        }
        if (event.error) {
          listener({ type: 'gone' });
          return false;
        }
        return true; // of a newer server
      },
      onConnection: (connected) => listener({ type: 'connection', connected }),
      onRefused: () => listener({ type: 'gone' }),
    });
  },

  listen(listener: (event: ChangeEvent) => void) {
    return followSse({
      url: () => '/api/changes',
      onData: (json) => {
        const event = json as WireEvent;
        if (event.type === 'listening') listener({ type: 'listening' });
        if (event.type === 'changed') {
          listener({ type: 'changed', what: event.what ?? '', id: event.id ?? '', chat: event.chat ?? '' });
        }
        if (event.error) listener({ type: 'refused' });
        return !event.error;
      },
      onRefused: () => listener({ type: 'refused' }),
    });
  },
};
