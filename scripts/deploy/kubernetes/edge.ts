/** The ways in: Traefik before the public gateway, and another before that of administrators. */
import { readSettings } from "../../../lib/settings.ts";
import { NAMESPACE } from "./needs.ts";
import { metadataOf } from "./parts.ts";
import type { Manifest, Section } from "./parts.ts";

interface Way {
  gateway: string;
  host: string;
  /** Of the IngressClass that one Traefik alone serves. */
  className: string;
  middlewares: string[];
}

const WAYS: Way[] = [
  { gateway: "gateway", host: "clubs.example.edu", className: "traefik", middlewares: ["edge-limit"] },
  {
    gateway: "admin-gateway",
    host: "admin.clubs.example.edu",
    className: "traefik-admin",
    middlewares: ["office-networks", "edge-limit"],
  },
];

/** Where administrators sit. An office sets its own. */
const OFFICE = ["10.0.0.0/8", "192.168.0.0/16"];

export function edgeSection(): Section {
  return {
    title:
      "The ways in. The limit of the edge is above those of the gateway for a whole campus behind one address: it is for floods.",
    manifests: [
      middleware("edge-limit", {
        rateLimit: { average: floodLimit(), burst: 2 * floodLimit() },
      }),
      middleware("office-networks", { ipAllowList: { sourceRange: OFFICE } }),
      ...WAYS.map(ingressOf),
    ],
  };
}

/** Requests a second from one address: a fifth above what the gateway lets through for a campus network. */
function floodLimit(): number {
  const { rateLimits } = readSettings({});
  const campus = 100;
  return Math.ceil(((rateLimits.anonymous * campus) / 60) * 1.2);
}

function middleware(name: string, spec: object): Manifest {
  return {
    apiVersion: "traefik.io/v1alpha1",
    kind: "Middleware",
    metadata: metadataOf(name, "edge"),
    spec,
  };
}

const PREFIX = "traefik.ingress.kubernetes.io/router";

function ingressOf({ gateway, host, className, middlewares }: Way): Manifest {
  const named = middlewares.map((each) => `${NAMESPACE}-${each}@kubernetescrd`).join(",");
  return wayTo(
    { name: gateway, port: "http" },
    { host, className, metadata: metadataOf(gateway, gateway, { [`${PREFIX}.middlewares`]: named }) },
  );
}

/** Over TLS, whose Secret is the name with `-tls` behind it. */
export function wayTo(
  { name, port }: { name: string; port: string },
  { host, className, metadata }: { host: string; className: string; metadata: Manifest["metadata"] },
): Manifest {
  const annotations = {
    ...metadata.annotations,
    [`${PREFIX}.entrypoints`]: "websecure",
    [`${PREFIX}.tls`]: "true",
  };
  const backend = { service: { name, port: { name: port } } };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { ...metadata, annotations },
    spec: {
      ingressClassName: className,
      tls: [{ hosts: [host], secretName: `${metadata.name}-tls` }],
      rules: [{ host, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }],
    },
  };
}
