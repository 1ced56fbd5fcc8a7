import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take most of a minute, however short they are: a run that began them last would end with one alone. */
const LONG =
  /\/(drills|tour|zoom-it|processes|store-pkgcloud\.real|faults\/machines|etcd-(away|data|way|cluster)|registry\.real|unit-manager(\.systemd)?\.real)\.test\.ts$/;

/** Without times of an earlier run, as in CI, Vitest begins with the largest files. */
export default class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
