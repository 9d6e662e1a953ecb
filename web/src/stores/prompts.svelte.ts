// The texts that the person keeps for again.
import * as api from '../services/api';

class Prompts {
  list = $state.raw<api.SavedPrompt[]>([]);

  async load(): Promise<void> {
    this.list = (await api.listPrompts()).data;
  }

  async save(id: string | null, name: string, content: string): Promise<void> {
    await (id === null ? api.addPrompt(name, content) : api.changePrompt(id, name, content));
    await this.load();
  }

  async remove(id: string): Promise<void> {
    await api.removePrompt(id);
    this.list = this.list.filter((prompt) => prompt.id !== id);
  }
}

export const prompts = new Prompts();
