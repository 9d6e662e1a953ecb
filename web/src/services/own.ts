// A person's own account: keys, sessions, password.
import { request } from './http';
import type { components } from './openapi';

type Schemas = components['schemas'];
export type Session = Schemas['Session'];

const id = encodeURIComponent;

export const listKeys = () => request<Schemas['KeyList']>('GET', '/api/me/keys');
export const addKey = (key: Schemas['KeyRequest']) => request<Schemas['NewKey']>('POST', '/api/me/keys', { body: key });
export const rotateKey = (key: string) => request<Schemas['NewKey']>('POST', `/api/me/keys/${id(key)}/rotate`);
export const revokeKey = (key: string) => request<unknown>('DELETE', `/api/me/keys/${id(key)}`);

export const listProjects = () => request<Schemas['ProjectList']>('GET', '/api/me/projects');

export const listSessions = () => request<Schemas['SessionList']>('GET', '/api/me/sessions');
export const endSession = (session: string) => request<unknown>('DELETE', `/api/me/sessions/${id(session)}`);
export const endOtherSessions = () => request<unknown>('DELETE', '/api/me/sessions');

export const changePassword = (change: Schemas['PasswordChange']) =>
  request<unknown>('POST', '/api/me/password', { body: change });
export const makeFirstAdmin = (admin: Schemas['FirstAdminRequest']) =>
  request<Schemas['Login']>('POST', '/api/first-admin', { body: admin, expectsLogin: true });
