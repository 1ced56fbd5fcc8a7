import { ConvoyError, permanent } from '../runtime/errors.js';
import type { StoreEnvironment } from './environment.js';
import {
  type ExplainStatus,
  type HttpAnswer,
  type HttpClientOptions,
  type HttpRequest,
  httpClient,
} from './http-client.js';
import { explainFolder, httpReading } from './http-reading.js';
import { checkKey, encodeKey } from './key.js';
import { checkHeldKey, commonLimits, refuseUnheld } from './limits.js';
import { scrub } from './location.js';
import {
  type FolderPage,
  type ListableStore,
  type ListedObject,
  NO_PROPERTIES,
  type StreamReadableStore,
  type StreamWritableStore,
  type WritableStore,
} from './store.js';
import { type DavLogin, davLogin } from './webdav-login.js';
import { type DavListing, readMultistatus } from './webdav-multistatus.js';

/** The answer for one folder: some 100,000 names. */
const LISTING_BYTES = 64 * 1024 ** 2;
/** 405: it is there. */
const MADE = [201, 405];
const REMOVED = [200, 204, 404];
/** How a collection without PROPFIND answers HEAD: let in. */
const SHOWS_NOTHING = [200, 204, 403, 405];
const PROPFIND = `<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>`;

/**
 * Objects below a collection of a WebDAV server (RFC 4918): nginx, Apache's mod_dav, sabre. They neither check nor tell
 * an MD5, and what they tell of a content type is theirs. Whether a reader may see a part of an object that is being
 * replaced, and whether one is durable when it is said to be, is the server's affair: nginx and Apache move a whole
 * body to its name, and leave the disk to the kernel.
 */
export function webdavStore(
  url: string,
  env: StoreEnvironment,
  options: HttpClientOptions = {},
): WritableStore & ListableStore & StreamReadableStore & StreamWritableStore {
  const { origin, pathname } = new URL(url);
  const base = pathname.replace(/\/+$/, '');
  const name = scrub(url);
  // How large an object may be is the server's own business: it answers 413.
  const limits = { ...commonLimits(''), partBytes: 255, writeBytes: Number.MAX_SAFE_INTEGER };
  const login = davLogin(env);
  const client = httpClient(origin, { ...options, explain: explaining(login) });
  /** The container has been seen, or the server will not tell. */
  let seen = false;

  const pathOf = (key: string): string => {
    checkHeldKey(limits, key);
    return `/${encodeKey(key)}`;
  };
  const asked = (method: string, path: string, signal: AbortSignal | undefined) => ({
    method,
    path: base + path,
    what: `${method} webdav+${name}${path}`,
    headers: login.headers,
    signal,
  });

  /** Lists the resource at an encoded path below the location; rejects `not-found` if there is none. */
  async function propfind(path: string, depth: 0 | 1, signal: AbortSignal | undefined): Promise<DavListing> {
    const request = asked('PROPFIND', path, signal);
    const headers = { ...request.headers, depth: String(depth), 'content-type': 'application/xml' };
    return client.send({ ...request, headers, body: PROPFIND, accept: [207] }, async (answer) => {
      const bytes = await answer.bytes(LISTING_BYTES);
      return readMultistatus(request.what, Buffer.from(bytes).toString('utf8'), request.path);
    });
  }

  /** What is in a folder, '' or with its slash; nothing where there is none. */
  async function collection(folder: string, signal: AbortSignal | undefined): Promise<FolderPage> {
    const { entries } = await propfind(`/${encodeKey(folder)}`, 1, signal).catch(async (error: unknown) => {
      // It has gone, or there never was one, or the whole container is absent.
      if (!isNotFound(error)) throw error;
      await check(signal);
      return { entries: [] };
    });
    const objects: ListedObject[] = [];
    const folders: string[] = [];
    for (const { name: last, isCollection, size, modifiedMs } of entries) {
      const key = folder + last;
      if (isCollection) folders.push(`${key}/`);
      else objects.push({ key, size, modifiedMs });
    }
    return { objects, folders, cursor: null };
  }

  async function check(signal?: AbortSignal): Promise<void> {
    try {
      await propfind('/', 0, signal).catch(async (error: unknown) => {
        if (!lacksPropfind(error)) throw error;
        const request = { ...asked('HEAD', '/', signal), accept: SHOWS_NOTHING };
        await client.send(request, (answer) => answer.discard());
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      throw permanent(`webdav+${name}: there is no such collection`, { code: 'container-absent' });
    }
    seen = true;
  }

  /** Once: afterwards, what is not found is an object, and what lacks a folder may make it. */
  async function checkContainer(signal: AbortSignal | undefined): Promise<void> {
    if (!seen) await check(signal);
  }

  /** Makes the collection at an encoded path below `from`, and those it is in; one that is there is done. */
  async function makeCollection(from: string, path: string, signal: AbortSignal | undefined): Promise<void> {
    const at = `${from}${path}/`;
    const request = { ...asked('MKCOL', '', signal), path: at, what: `MKCOL webdav+${scrub(origin)}${at}` };
    const status = await client.send({ ...request, accept: [...MADE, 409] }, (answer) => answer.status);
    if (status !== 409) return;
    const parent = parentOf(path);
    if (parent !== '') await makeCollection(from, parent, signal);
    await client.send({ ...request, accept: MADE }, (answer) => answer.discard());
  }

  /** Those of the type written last: of all tiles it is the same. */
  let typed: { readonly type: string | null; readonly headers: Readonly<Record<string, string>> } = {
    ...{ type: null, headers: login.headers },
  };
  /** For a key that was checked. */
  function putRequest(
    key: string,
    type: string | null,
    body: Required<HttpRequest>['body'],
    signal?: AbortSignal,
  ) {
    if (type !== typed.type)
      typed = {
        type,
        headers: type === null ? login.headers : { ...login.headers, 'content-type': type },
      };
    const path = `/${encodeKey(key)}`;
    return {
      method: 'PUT',
      path: base + path,
      what: `PUT webdav+${name}${path}`,
      headers: typed.headers,
      body,
      accept: isWrittenOrLacksFolder,
      signal,
    };
  }

  const reading = httpReading(client, (method, key, signal) => asked(method, pathOf(key), signal));

  /** Where nothing was found: that may be because the container is absent. */
  async function orAbsent(error: unknown, signal: AbortSignal | undefined): Promise<never> {
    if (isNotFound(error)) await checkContainer(signal);
    throw error;
  }

  return {
    name: `webdav+${name}`,
    traits: { checksWrites: false, reportsMd5: false, keeps: 'nothing', limits },
    check,
    head: reading.head,
    read: (key, limit, signal) =>
      reading.read(key, limit, signal).catch((error: unknown) => orAbsent(error, signal)),
    readStream: (key, offset, signal) =>
      reading.readStream(key, offset, signal).catch((error: unknown) => orAbsent(error, signal)),
    async write(key, bytes, { contentType }, signal) {
      refuseUnheld(limits, key, bytes.length, NO_PROPERTIES);
      if (!seen) await check(signal);
      const request = putRequest(key, contentType, bytes, signal);
      const lacked = await client.send(request, lacksFolder);
      if (!lacked) return;
      const parent = parentOf(pathOf(key));
      if (parent !== '') await makeCollection(base, parent, signal);
      await client.send({ ...request, accept: isWritten }, (answer) => answer.discard());
    },
    async writeStream(key, body, size, { contentType }, signal) {
      refuseUnheld(limits, key, size, NO_PROPERTIES);
      await checkContainer(signal);
      // The body can be sent once: its folder has to be there.
      const parent = parentOf(pathOf(key));
      if (parent !== '') await makeCollection(base, parent, signal);
      const request = putRequest(key, contentType, body, signal);
      const headers = { ...request.headers, 'content-length': String(size) };
      await client.send({ ...request, headers, accept: isWritten }, (answer) => answer.discard());
    },
    async remove(key, signal) {
      const path = pathOf(key);
      // A collection of this name is no object, and would go with all that is in it: by Depth 0 to servers that
      // cannot tell beforehand.
      const isObject = await propfind(path, 0, signal).then(
        ({ isCollection }) => !isCollection,
        (error: unknown) => {
          if (isNotFound(error)) return false;
          if (lacksPropfind(error)) return true;
          throw error;
        },
      );
      if (!isObject) return;
      const request = asked('DELETE', path, signal);
      const headers = { ...request.headers, depth: '0' };
      await client.send({ ...request, headers, accept: REMOVED }, (answer) => answer.discard());
    },
    async createContainer(signal) {
      if (base !== '') await makeCollection('', base, signal);
      await check(signal);
    },
    async listPage(prefix, cursor, signal) {
      const first = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      if (first !== '') checkKey(first.slice(0, -1));
      const [folder = '', ...rest] = cursor === null ? [first] : (JSON.parse(cursor) as string[]);
      const { objects, folders } = await collection(folder, signal);
      const left = [...folders.filter((key) => key.startsWith(prefix)), ...rest];
      return {
        objects: objects.filter(({ key }) => key.startsWith(prefix)),
        cursor: left.length === 0 ? null : JSON.stringify(left),
      };
    },
    async listFolder(prefix, _cursor, signal) {
      if (prefix !== '') checkKey(prefix.slice(0, -1));
      return collection(prefix, signal);
    },
    close: () => client.close(),
  };
}

function explaining({ refused }: DavLogin): ExplainStatus {
  return (answer, body, request) => {
    const { status } = answer;
    const { method } = request;
    if (status === 401) return refused;
    if (status === 200) return { detail: 'with a page, which proves no write' };
    if (status === 413) return { detail: 'it takes no body of this size (nginx: client_max_body_size)' };
    if (status === 423) return { kind: 'transient', code: 'throttled', detail: 'locked by somebody else' };
    if (status === 409)
      return { detail: 'a folder is in the way, or the folder it belongs into cannot be made' };
    if (method === 'PROPFIND' && (status === 405 || status === 501))
      return { detail: 'this server cannot list its objects (it has no PROPFIND)' };
    return explainFolder(answer, body, request);
  };
}

/** A page in answer to a PUT is no proof of a write: something else than the store may have answered. */
function isWritten(answer: HttpAnswer): boolean {
  const { status } = answer;
  // Its headers are read only where the length matters.
  return status === 201 || status === 204 || (status === 200 && answer.length === 0);
}

/** By 409 (RFC 4918, 9.7.1) or 404; nginx without create_full_put_path says 500. */
function lacksFolder(answer: HttpAnswer): boolean {
  const { status } = answer;
  return (
    status === 404 ||
    status === 409 ||
    (status === 500 && answer.header('server')?.startsWith('nginx') === true)
  );
}

function isWrittenOrLacksFolder(answer: HttpAnswer): boolean {
  return isWritten(answer) || lacksFolder(answer);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function isNotFound(error: unknown): boolean {
  return error instanceof ConvoyError && error.code === 'not-found';
}

function lacksPropfind(error: unknown): boolean {
  return error instanceof ConvoyError && (error.status === 405 || error.status === 501);
}
