/**
 * Seam between logging in and asking for objects: who we are to a Swift cluster, and where our objects are there.
 */
export interface SwiftSession {
  /** The current login; the first call logs in. However many ask at once, one login is made. */
  login(signal?: AbortSignal): Promise<SwiftLogin>;
  /**
   * A login newer than the one the store answered 401 to: made anew only if nobody has yet. However many ask at
   * once, one login is made. A login that cannot be had as things are configured rejects
   * `permanent`/`wrong-credentials`, naming the variables; a login server that cannot be asked, `transient`.
   */
  renew(refused: SwiftLogin, signal?: AbortSignal): Promise<SwiftLogin>;
  /** The variables the credentials came from, for messages: `OS_USERNAME and OS_PASSWORD`. */
  readonly variables: string;
  /** PEM of the authorities that OS_CACERT names, for the storage as for the login; null: the system's. */
  readonly ca: string | null;
  close(): Promise<void>;
}

/** One login: a new object each time, so that logins are told apart by identity. */
export interface SwiftLogin {
  /** Of the account, without a slash at its end: `https://host:port/v1/AUTH_account`. */
  readonly storageUrl: string;
  readonly token: string;
}
