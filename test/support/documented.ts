import { request } from 'undici';
import { expect } from 'vitest';
import { type Schema, violations } from './json-schema.js';

export interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface DocumentedOperation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, DocumentedResponse>>;
}

interface DocumentedResponse {
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

export interface DocumentedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // What it is, the document has said already.
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect of it.
  readonly body: any;
}

export interface DocumentedClient {
  readonly document: Document;
  /** Fails the test if the answer is not one the document promises. */
  send(
    method: string,
    path: string,
    more?: { readonly headers?: Record<string, string>; readonly body?: unknown },
  ): Promise<DocumentedAnswer>;
  resolve(ref: string): Schema;
}

/** Asks an API and holds every answer against its own document. */
export async function openDocumented(url: string): Promise<DocumentedClient> {
  const document = (await (await request(`${url}/v1/openapi.json`)).body.json()) as Document;
  const resolve = (ref: string): Schema => resolveIn(document, ref);
  return {
    document,
    resolve,
    async send(method, path, { headers = {}, body } = {}) {
      const answer = await request(`${url}${path}`, {
        method: method as 'GET',
        headers,
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      const type = String(answer.headers['content-type'] ?? '').split(';')[0] ?? '';
      const read: unknown = type === 'application/json' ? JSON.parse(text) : text;
      const promised = operationOf(document, method, path).responses[answer.statusCode];
      const label = `${method} ${path}: ${answer.statusCode} ${text}`;
      if (promised === undefined) throw new Error(`not in the document: ${label}`);
      for (const name of Object.keys(promised.headers ?? {}))
        expect(answer.headers, label).toHaveProperty([name]);
      if (promised.content === undefined) expect(text, label).toBe('');
      else {
        expect(Object.keys(promised.content), label).toEqual([type]);
        expect(violations(promised.content[type]?.schema ?? {}, read, resolve), label).toEqual([]);
      }
      return { status: answer.statusCode, headers: answer.headers, body: read };
    },
  };
}

export function resolveIn(document: Document, ref: string): Schema {
  const name = ref.replace(/^#\/components\/schemas\//, '');
  const schema = document.components.schemas[name];
  if (schema === undefined) throw new Error(`${ref} leads nowhere`);
  return schema;
}

function operationOf({ paths }: Document, method: string, target: string): DocumentedOperation {
  const parts = (target.split('?')[0] ?? '').split('/');
  const fits = (template: string): boolean => {
    const wanted = template.split('/');
    return (
      wanted.length === parts.length && wanted.every((part, i) => part.startsWith('{') || part === parts[i])
    );
  };
  const templates = Object.keys(paths).filter(fits);
  const template = templates.find((one) => !one.includes('{')) ?? templates[0] ?? '';
  const operation = paths[template]?.[method.toLowerCase()];
  if (operation === undefined) throw new Error(`${method} ${target} is not in the document`);
  return operation;
}
