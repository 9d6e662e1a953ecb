// The models that the person may use.
import * as api from '../services/api';
import { preferences } from './preferences.svelte';

const canChat = (model: api.Model) => model.maru?.capabilities.includes('chat') ?? true;

class Models {
  all = $state<api.Model[]>([]);
  list = $derived(this.all.filter(canChat)); // to talk with
  isLoaded = $state(false);

  async load(): Promise<void> {
    this.all = (await api.models()).data;
    this.isLoaded = true;
  }

  find(id: string | null | undefined): api.Model | undefined {
    return this.list.find((model) => model.id === id);
  }

  // What a new chat begins with: the one used last, if it is still served, or the server's own.
  get first(): string | null {
    return (this.find(preferences.model) ?? this.list.find((model) => model.maru?.default) ?? this.list[0])?.id ?? null;
  }
}

export const models = new Models();
