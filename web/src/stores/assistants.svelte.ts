// The assistants that the person may use: own ones and those of the person's groups.
import * as api from '../services/api';

class Assistants {
  list = $state.raw<api.Assistant[]>([]);

  async load(): Promise<void> {
    this.list = (await api.listAssistants()).data;
  }

  find(id: string | null | undefined): api.Assistant | undefined {
    return this.list.find((assistant) => assistant.id === id);
  }

  async save(id: string | null, wish: api.AssistantWish): Promise<void> {
    await (id === null ? api.addAssistant(wish) : api.changeAssistant(id, wish));
    await this.load();
  }

  async remove(id: string): Promise<void> {
    await api.removeAssistant(id);
    this.list = this.list.filter((assistant) => assistant.id !== id);
  }
}

export const assistants = new Assistants();
