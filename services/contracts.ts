/** Every contract, for gateways, tests and the types of calls. */
import type { ActionContract, Contract } from "../lib/declare.ts";
import { audit } from "./admin/audit.contract.ts";
import { adminAuth } from "./admin/auth.contract.ts";
import { activities, activityMessages } from "./activities/activities.contract.ts";
import { imports } from "./admin/imports.contract.ts";
import { management } from "./admin/management.contract.ts";
import { settings } from "./admin/settings.contract.ts";
import { system } from "./admin/system.contract.ts";
import { calendar } from "./activities/calendar.contract.ts";
import { activityHistory } from "./activities/history.contract.ts";
import { participations } from "./activities/participations.contract.ts";
import { reminders } from "./activities/reminders.contract.ts";
import {
  applicationMessages,
  applications,
  reviewMessages,
  reviews,
} from "./applications/applications.contract.ts";
import { announcementMessages, announcements } from "./admin/announcements.contract.ts";
import { clubAudience } from "./clubs/audience.contract.ts";
import { applicationHistory } from "./applications/history.contract.ts";
import { statistics } from "./admin/statistics.contract.ts";
import { clubs } from "./clubs/clubs.contract.ts";
import { clubImports } from "./clubs/imports.contract.ts";
import { clubHistory } from "./clubs/history.contract.ts";
import { clubOffice } from "./clubs/office.contract.ts";
import { favorites, members } from "./clubs/members.contract.ts";
import { clubMessages } from "./clubs/messages.contract.ts";
import { files } from "./files/files.contract.ts";
import { bulletin } from "./notifications/bulletin.contract.ts";
import { mail, notifications } from "./notifications/notifications.contract.ts";
import { commentMessages, comments } from "./posts/comments.contract.ts";
import { postHistory } from "./posts/history.contract.ts";
import { moderation, moderationMessages } from "./posts/moderation.contract.ts";
import { postMessages, posts } from "./posts/posts.contract.ts";
import { node } from "./node.contract.ts";
import {
  activitiesQueue,
  adminQueue,
  applicationsQueue,
  clubsQueue,
  postsQueue,
  usersQueue,
} from "./queues.contract.ts";
import { search } from "./search/search.contract.ts";
import { userAudience } from "./users/audience.contract.ts";
import { auth, sessions } from "./users/auth.contract.ts";
import { userImports } from "./users/imports.contract.ts";
import { credentials } from "./users/credentials.contract.ts";
import { userHistory } from "./users/history.contract.ts";
import { office } from "./users/office.contract.ts";
import { userMessages, users } from "./users/users.contract.ts";

const byName = {
  auth,
  sessions,
  users,
  clubs,
  members,
  favorites,
  applications,
  reviews,
  notifications,
  mail,
  announcements,
  bulletin,
  userAudience,
  clubAudience,
  search,
  usersQueue,
  clubsQueue,
  applicationsQueue,
  activities,
  participations,
  calendar,
  reminders,
  activitiesQueue,
  posts,
  comments,
  moderation,
  postsQueue,
  files,
  settings,
  management,
  office,
  clubOffice,
  system,
  adminAuth,
  credentials,
  adminQueue,
  audit,
  imports,
  userImports,
  clubImports,
  statistics,
  userHistory,
  clubHistory,
  applicationHistory,
  activityHistory,
  postHistory,
  node,
};

declare module "../lib/declare.ts" {
  interface Contracts {
    auth: typeof auth;
    sessions: typeof sessions;
    users: typeof users;
    clubs: typeof clubs;
    members: typeof members;
    favorites: typeof favorites;
    applications: typeof applications;
    reviews: typeof reviews;
    notifications: typeof notifications;
    mail: typeof mail;
    announcements: typeof announcements;
    bulletin: typeof bulletin;
    userAudience: typeof userAudience;
    clubAudience: typeof clubAudience;
    search: typeof search;
    usersQueue: typeof usersQueue;
    clubsQueue: typeof clubsQueue;
    applicationsQueue: typeof applicationsQueue;
    activities: typeof activities;
    participations: typeof participations;
    calendar: typeof calendar;
    reminders: typeof reminders;
    activitiesQueue: typeof activitiesQueue;
    posts: typeof posts;
    comments: typeof comments;
    moderation: typeof moderation;
    postsQueue: typeof postsQueue;
    files: typeof files;
    settings: typeof settings;
    management: typeof management;
    office: typeof office;
    clubOffice: typeof clubOffice;
    system: typeof system;
    adminAuth: typeof adminAuth;
    credentials: typeof credentials;
    adminQueue: typeof adminQueue;
    audit: typeof audit;
    imports: typeof imports;
    userImports: typeof userImports;
    clubImports: typeof clubImports;
    statistics: typeof statistics;
    userHistory: typeof userHistory;
    clubHistory: typeof clubHistory;
    applicationHistory: typeof applicationHistory;
    activityHistory: typeof activityHistory;
    postHistory: typeof postHistory;
    node: typeof node;
  }
}

export const contracts: readonly Contract[] = Object.values(byName);

/** Every action's contract by its full name. */
export const actionContracts: ReadonlyMap<string, ActionContract> = new Map(
  contracts.flatMap(({ name, actions }) =>
    Object.entries(actions).map(([key, action]) => [`${name}.${key}`, action] as const),
  ),
);

/** The durable messages of all domains: type → shape of `data`. */
export const messages = {
  ...userMessages,
  ...clubMessages,
  ...applicationMessages,
  ...reviewMessages,
  ...activityMessages,
  ...postMessages,
  ...commentMessages,
  ...moderationMessages,
  ...announcementMessages,
};
