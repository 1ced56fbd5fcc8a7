/** A section's settings by name; what is nested below `s3 =` is there as `s3.addressing_style`. */
export type ProfileSection = ReadonlyMap<string, string>;

/**
 * AWS's shared credentials and config files ("Shared config and credentials file format" of the AWS SDKs and Tools
 * Reference Guide): sections in brackets, `name = value`, lines of comment with # or ;, and indented lines that
 * belong to the setting above them. The sections by name (`default`, `profile x`, `services y`); of one that is
 * there twice, the later settings win. A line that is none of these is passed over.
 */
export function parseProfileFile(text: string): ReadonlyMap<string, ProfileSection> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let parent = '';
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const header = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (header !== undefined) {
      const name = header.trim().split(/\s+/).join(' ').replace(/"/g, '');
      section = sections.get(name) ?? new Map<string, string>();
      sections.set(name, section);
      continue;
    }
    const [, name, value] = /^\s*([^\s=][^=]*?)\s*=\s*(.*?)(?:\s+[#;].*)?\s*$/.exec(line) ?? [];
    if (section === undefined || name === undefined || value === undefined) continue;
    const nested = /^\s/.test(line) && parent !== '';
    if (!nested) parent = name;
    section.set(nested ? `${parent}.${name}` : name, value);
  }
  return sections;
}
