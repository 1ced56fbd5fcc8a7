/** A section's settings by name; what is nested below `s3 =` is there as `s3.addressing_style`. */
export type ProfileSection = ReadonlyMap<string, string>;

/** Indent, name, value; a comment after a value needs a space before it. */
const SETTING = /^(\s*)([^\s=][^=]*?)\s*=\s*(.*?)(?:\s+[#;].*)?\s*$/;

/**
 * AWS's shared credentials and config files ("Shared config and credentials file format" of the AWS SDKs and Tools
 * Reference Guide): sections in brackets, `name = value`, lines of comment with # or ;, and lines more indented
 * than an empty setting above them, which belong to it. The sections by name (`default`, `profile x`, `services y`); of one that is
 * there twice, the later settings win. A line that is none of these is passed over.
 */
export function parseProfileFile(text: string): ReadonlyMap<string, ProfileSection> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let parent: { readonly name: string; readonly indent: number } | null = null;
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const header = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (header !== undefined) {
      const name = header.trim().split(/\s+/).join(' ').replace(/"/g, '');
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      parent = null;
      continue;
    }
    const [, space = '', name, value] = SETTING.exec(line) ?? [];
    if (section === undefined || name === undefined || value === undefined) continue;
    if (parent !== null && space.length > parent.indent) section.set(`${parent.name}.${name}`, value);
    else {
      section.set(name, value);
      parent = value === '' ? { name, indent: space.length } : null;
    }
  }
  return sections;
}
