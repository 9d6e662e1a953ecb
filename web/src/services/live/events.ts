// What the server tells while it happens, whatever carries it.
import type { RunExtra } from '../api';

export type AnswerState = 'complete' | 'stopped' | 'failed';

export type AnswerEvent =
  | { type: 'text'; offset: number; text: string; next: number }
  | { type: 'ended'; offset: number; state: AnswerState; extra: RunExtra | null }
  | { type: 'gone' } // the message was deleted, or is nobody's business here
  | { type: 'connection'; connected: boolean };

export type ChangeEvent =
  | { type: 'listening' } // what came before may have been missed
  | { type: 'refused' } // nobody is logged in any more
  | { type: 'changed'; what: string; id: string; chat: string };

// Where events come from. `from` says from which byte of the answer on; a source that loses its
// line comes back by itself and goes on from where it was. The result ends it.
export interface LiveSource {
  follow(message: string, from: number, listener: (event: AnswerEvent) => void): () => void;
  listen(listener: (event: ChangeEvent) => void): () => void;
}
