/** The canary's Deployment, made of the live one of the stable nodes. Pure: JSON in, JSON out. */

interface Container {
  name: string;
  image: string;
}
export interface Deployment {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec: {
    replicas?: number;
    selector: { matchLabels: Record<string, string> };
    template: {
      metadata: { labels: Record<string, string> };
      spec: { containers: Container[]; initContainers?: Container[] };
    };
  };
}

/** What is wrong with the Deployment or the image: its message is a sentence for the operator. */
export class CanaryError extends Error {
  override name = "CanaryError";
}

export const canaryName = (domain: string): string => `${domain}-canary`;

const TRACK = "track";
const VERSION = "app.kubernetes.io/version";
/**
 * Stands at the canary and goes with it. At the stable Deployment it would come back: its ReplicaSets keep its
 * annotations, and `kubectl rollout undo` takes them from there.
 */
const BEFORE = "club-alliance/before-promotion";

/** `registry/club-alliance:1.2.3` → repository and version; a digest alone names no version. */
export function partsOf(image: string): { repository: string; version: string } {
  const [, repository, version] =
    /^([^\s@]+):([\w][\w.-]{0,127})(?:@sha256:[0-9a-f]{64})?$/.exec(image) ?? [];
  if (!repository || !version)
    throw new CanaryError(`"${image}" is no image with a version: give it as repository:version.`);
  return { repository, version };
}

/**
 * One replica of another image beside the stable ones, under a name and a `track` of its own. Moleculer's round robin
 * gives every node of a domain an equal share, and so does a gateway's Service: with n stable nodes the canary gets
 * 1/(n+1) of the calls.
 */
export function canaryOf(stable: Deployment, image: string): Deployment {
  const { name, namespace, labels } = stable.metadata;
  if (stable.spec.selector.matchLabels[TRACK] !== "stable")
    throw new CanaryError(
      `The Deployment ${name} does not select by track: stable, so it would take the canary's pod for its own.`,
    );
  const { version } = partsOf(image);
  const own = (all: Record<string, string> = {}): Record<string, string> => ({
    ...all,
    [TRACK]: "canary",
    [VERSION]: version,
  });
  const { spec } = withTrack(stable);
  const template = withImage(spec.template, image, name);
  return {
    apiVersion: stable.apiVersion,
    kind: stable.kind,
    metadata: { name: canaryName(name), ...(namespace && { namespace }), labels: own(labels) },
    spec: {
      ...spec,
      replicas: 1,
      selector: { matchLabels: { ...spec.selector.matchLabels, [TRACK]: "canary" } },
      template: { ...template, metadata: { ...template.metadata, labels: own(template.metadata.labels) } },
    },
  };
}

/** The patch that gives a Deployment another image: all that a promotion changes. */
export function promotionOf(stable: Deployment, image: string): object {
  const { version } = partsOf(image);
  const { containers, initContainers } = withImage(stable.spec.template, image, stable.metadata.name).spec;
  const images = (all: Container[]): Container[] =>
    all.map((each) => ({ name: each.name, image: each.image }));
  const labels = { [VERSION]: version };
  return {
    metadata: { labels },
    spec: {
      template: {
        metadata: { labels },
        spec: {
          containers: images(containers),
          ...(initContainers && { initContainers: images(initContainers) }),
        },
      },
    },
  };
}

/** The image that the containers of a Deployment's nodes run. */
export function imageOf({ metadata: { name }, spec }: Deployment): string {
  const image = spec.template.spec.containers[0]?.image;
  if (!image) throw new CanaryError(`The Deployment ${name} has no container.`);
  return image;
}

/** What the stable nodes ran before a promotion that has not ended, as its canary was told. */
export const beforeOf = ({ metadata }: Deployment): string | undefined => metadata.annotations?.[BEFORE];

/** The patch that tells a canary what the stable nodes run, before it is promoted. */
export const noteOf = (image: string): object => ({ metadata: { annotations: { [BEFORE]: image } } });

/** Everything that selects pods of the stable track (spreading, affinity) selects those of the canary. */
function withTrack(stable: Deployment): Deployment {
  return JSON.parse(
    JSON.stringify(stable, (key, value: unknown) =>
      key === "matchLabels" && (value as Record<string, string>)[TRACK] === "stable"
        ? { ...(value as object), [TRACK]: "canary" }
        : value,
    ),
  ) as Deployment;
}

type Template = Deployment["spec"]["template"];

/** The image for every container that runs the first one's repository; others (sidecars) stay as they are. */
function withImage(template: Template, image: string, name: string): Template {
  const first = template.spec.containers[0];
  if (!first) throw new CanaryError(`The Deployment ${name} has no container.`);
  // The registry may be another: a cluster may begin with images that were built on the spot.
  const called = (repository: string): string | undefined => repository.split("/").at(-1);
  const ours = partsOf(first.image).repository;
  if (called(ours) !== called(partsOf(image).repository))
    throw new CanaryError(`The Deployment ${name} runs ${ours}, and ${image} is not a version of it.`);
  const change = (each: Container): Container =>
    each.image.startsWith(`${ours}:`) ? { ...each, image } : each;
  const { containers, initContainers } = template.spec;
  return {
    ...template,
    spec: {
      ...template.spec,
      containers: containers.map(change),
      ...(initContainers && { initContainers: initContainers.map(change) }),
    },
  };
}
