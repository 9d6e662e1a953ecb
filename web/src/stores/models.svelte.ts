// The models that the person may use.
import * as api from '../services/api';
import { preferences } from './preferences.svelte';

class Models {
  list = $state<api.Model[]>([]);
  isLoaded = $state(false);

  async load(): Promise<void> {
    this.list = (await api.models()).data;
    this.isLoaded = true;
  }

  find(id: string | null | undefined): api.Model | undefined {
    return this.list.find((model) => model.id === id);
  }

  // What a new chat begins with: the one used last, if it is still served.
  get first(): string | null {
    return this.find(preferences.model)?.id ?? this.list[0]?.id ?? null;
  }
}

export const models = new Models();
