// What administrators and auditors ask of the server. The server decides what each may.
import { request, requestText } from './http';
import type { components } from './openapi';

type Schemas = components['schemas'];
export type User = Schemas['User'];
export type Role = Schemas['Role'];
export type Scope = Schemas['Scope'];
export type Group = Schemas['Group'];
export type Rule = Schemas['Rule'];
export type Project = Schemas['Project'];
export type ApiKey = Schemas['Key'];
export type NewKey = Schemas['NewKey'];
export type Model = Schemas['Model'];
export type Price = Schemas['Price'];
export type PriceFormula = Schemas['PriceFormula'];
export type Speed = Schemas['Speed'];
export type Limit = Schemas['Limit'];
export type AuditRow = Schemas['AuditRow'];
export type AuditReport = Schemas['AuditReport'];
export type Health = Schemas['Health'];
export type UsagePage = Schemas['UsagePage'];

const id = encodeURIComponent;
// A rule's name may hold slashes, which stand as they are.
const path = (name: string) => name.split('/').map(id).join('/');

export const listUsers = () => request<Schemas['UserList']>('GET', '/api/admin/users');
export const addUser = (user: Schemas['UserRequest']) => request<User>('POST', '/api/admin/users', { body: user });
export const changeUser = (user: string, change: Schemas['UserChange']) =>
  request<User>('PATCH', `/api/admin/users/${id(user)}`, { body: change });

export const listGroups = () => request<Schemas['GroupList']>('GET', '/api/admin/groups');
export const addGroup = (name: string) => request<Group>('POST', '/api/admin/groups', { body: { name } });
export const removeGroup = (group: string) => request<unknown>('DELETE', `/api/admin/groups/${id(group)}`);
export const addMember = (group: string, user: string) =>
  request<Group>('PUT', `/api/admin/groups/${id(group)}/members/${id(user)}`);
export const removeMember = (group: string, user: string) =>
  request<Group>('DELETE', `/api/admin/groups/${id(group)}/members/${id(user)}`);
export const addRule = (group: string, rule: Rule) =>
  request<Group>('PUT', `/api/admin/groups/${id(group)}/rules/${rule.kind}/${path(rule.name)}`);
export const removeRule = (group: string, rule: Rule) =>
  request<Group>('DELETE', `/api/admin/groups/${id(group)}/rules/${rule.kind}/${path(rule.name)}`);

export const listProjects = () => request<Schemas['ProjectList']>('GET', '/api/admin/projects');
export const addProject = (project: { name: string; owner_group_id: string | null }) =>
  request<Project>('POST', '/api/admin/projects', { body: project });
export const archiveProject = (project: string, archived: boolean) =>
  request<Project>('PATCH', `/api/admin/projects/${id(project)}`, { body: { archived } });

export const listKeys = () => request<Schemas['KeyList']>('GET', '/api/admin/keys');
export const addKey = (key: Schemas['AdminKeyRequest']) => request<NewKey>('POST', '/api/admin/keys', { body: key });
export const revokeKey = (key: string) => request<unknown>('DELETE', `/api/admin/keys/${id(key)}`);

export const listModels = () => request<Schemas['ModelList']>('GET', '/api/admin/models');
export const loadModel = (model: string) => request<Model>('POST', `/api/admin/models/${path(model)}/load`);
export const unloadModel = (model: string) => request<Model>('POST', `/api/admin/models/${path(model)}/unload`);
export const modelCard = (model: string, language: string) =>
  requestText(`/v1/models/${path(model)}/card`, { accept: 'text/plain', language });

export type Pull = Schemas['Pull'];
export const listPulls = () => request<Schemas['PullList']>('GET', '/api/admin/pulls');
export const startPull = (source: string) => request<Pull>('POST', '/api/admin/pulls', { body: { source } });
export const stopPull = (pull: string) => request<unknown>('DELETE', `/api/admin/pulls/${id(pull)}`);

export type Recommendation = Schemas['Recommendation'];
export type Recommendations = Schemas['RecommendationList'];
export const listRecommendations = (language: string) =>
  request<Recommendations>('GET', '/api/admin/recommendations', { query: { language } });

export const listPrices = () => request<Schemas['PriceList']>('GET', '/api/admin/prices');
export const addPrice = (price: Schemas['PriceRequest']) => request<Price>('POST', '/api/admin/prices', { body: price });
export const addPriceByFormula = (formula: PriceFormula) =>
  request<Price>('POST', '/api/admin/prices/formula', { body: formula });
export const removePrice = (price: string) => request<unknown>('DELETE', `/api/admin/prices/${id(price)}`);
export const listSpeeds = () => request<Schemas['SpeedList']>('GET', '/api/admin/prices/speeds');

export const listLimits = () => request<Schemas['LimitList']>('GET', '/api/admin/limits');
export const setLimit = (limit: Limit) => request<Limit>('POST', '/api/admin/limits', { body: limit });
export const removeLimit = (limit: Limit) =>
  request<unknown>('DELETE', `/api/admin/limits/${limit.kind}/${id(limit.id)}/${limit.name}`);

export type Setting = Schemas['Setting'];
export type SettingList = Schemas['SettingList'];
export type SettingChanges = Schemas['SettingChanges'];
export const listSettings = () => request<SettingList>('GET', '/api/admin/settings');
export const changeSettings = (changes: SettingChanges) =>
  request<SettingList>('PATCH', '/api/admin/settings', { body: changes });

export const listActs = (cursor?: string) =>
  request<Schemas['AuditPage']>('GET', '/api/admin/audit', { query: { cursor, limit: 50 } });
export const verifyActs = () => request<AuditReport>('GET', '/api/admin/audit/verification');
export const health = () => request<Health>('GET', '/api/admin/health');

export type UsageGrouping = 'model' | 'user_id' | 'project_id' | undefined;
export interface UsageQuestion {
  start: number; // unix seconds
  groupBy?: UsageGrouping;
  ofMe?: boolean;
}
const usageAddress = (question: UsageQuestion) =>
  question.ofMe ? '/api/me/usage' : '/v1/organization/usage/completions';
const usageQuery = ({ start, groupBy }: UsageQuestion) => ({ start_time: start, bucket_width: '1d', group_by: groupBy });

export type UsageBucket = UsagePage['data'][number];
// All days since `start`, over as many pages as there are.
export async function usageByDay(question: UsageQuestion): Promise<UsageBucket[]> {
  const days: UsageBucket[] = [];
  let page: string | undefined;
  do {
    const answer = await request<UsagePage>('GET', usageAddress(question), {
      query: { ...usageQuery(question), limit: 31, page },
    });
    days.push(...answer.data);
    page = answer.next_page ?? undefined;
  } while (page);
  return days;
}
export const usageTable = (question: UsageQuestion) =>
  requestText(usageAddress(question), { query: usageQuery(question), accept: 'text/csv' });
