// Names of people, groups and projects, for the pages that speak of them.
import * as admin from '../services/admin';

class Directory {
  users = $state.raw<admin.User[]>([]);
  groups = $state.raw<admin.Group[]>([]);
  projects = $state.raw<admin.Project[]>([]);

  async load(): Promise<void> {
    const [users, groups, projects] = await Promise.all([admin.listUsers(), admin.listGroups(), admin.listProjects()]);
    this.users = users.data;
    this.groups = groups.data;
    this.projects = projects.data;
  }

  // What is known by this id; the id itself if nothing is.
  nameOf(id: string): string {
    const user = this.users.find((one) => one.id === id);
    if (user) return user.name;
    return this.groups.find((one) => one.id === id)?.name ?? this.projects.find((one) => one.id === id)?.name ?? id;
  }

  groupsOf(user: string): string[] {
    return this.groups.filter((group) => group.members.some((one) => one.id === user)).map((group) => group.id);
  }

  // That the person's keys may belong to.
  projectsOf(user: string): admin.Project[] {
    const groups = this.groupsOf(user);
    const isOpen = ({ archived_at, owner_group_id: group }: admin.Project) => archived_at === null && (group === null || groups.includes(group));
    return this.projects.filter(isOpen);
  }

  putUser(user: admin.User): void {
    const known = this.users.some((one) => one.id === user.id);
    this.users = known ? this.users.map((one) => (one.id === user.id ? user : one)) : [...this.users, user];
  }

  putGroup(group: admin.Group): void {
    const known = this.groups.some((one) => one.id === group.id);
    this.groups = known ? this.groups.map((one) => (one.id === group.id ? group : one)) : [...this.groups, group];
  }

  dropGroup(id: string): void {
    this.groups = this.groups.filter((one) => one.id !== id);
  }
}

export const directory = new Directory();
