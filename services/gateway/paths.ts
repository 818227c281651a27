/** Which gateway serves which paths: those of administrators have one of their own. */

/** Whether a path is one of the public gateway's. */
export const isPublic = (path: string): boolean => !isAdministrative(path);

/** Whether a path is one of the admin gateway's. */
export const isAdministrative = (path: string): boolean => path.startsWith("/admin/");
