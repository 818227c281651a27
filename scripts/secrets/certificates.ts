/** Certificates of an authority of our own, made by openssl: for NATS, and for the edge until real ones are there. */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const AUTHORITY_DAYS = "3650";
/** Browsers take no more than 398. */
const DAYS = "397";

/** Makes an authority as two files in PEM. */
export async function makeAuthority(certificate: string, key: string): Promise<void> {
  await openssl(
    ["req", "-x509", ...CURVE, "-days", AUTHORITY_DAYS, "-subj", "/CN=Club Alliance authority"],
    ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
    ["-keyout", key, "-out", certificate],
  );
}

/** Makes a key and a certificate of the authority for names of hosts, or addresses. */
export async function makeCertificate(
  authority: { certificate: string; key: string },
  names: readonly string[],
  to: { certificate: string; key: string },
): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "club-alliance-certificate-"));
  try {
    const [request, extensions] = ["csr", "ext"].map((name) => path.join(folder, name)) as [string, string];
    const named = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`));
    await writeFile(
      extensions,
      `subjectAltName=${named.join(",")}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=CA:FALSE\n`,
    );
    await openssl(
      ["req", ...CURVE, "-subj", `/CN=${(names[0] as string).slice(0, 64)}`],
      ["-keyout", to.key, "-out", request],
    );
    await openssl(
      ["x509", "-req", "-days", DAYS, "-in", request, "-extfile", extensions, "-out", to.certificate],
      ["-CA", authority.certificate, "-CAkey", authority.key, "-set_serial", `0x${serial()}`],
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const serial = (): string => crypto.randomUUID().replaceAll("-", "").replace(/^./, "1");

async function openssl(...args: string[][]): Promise<void> {
  await run("openssl", args.flat()).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT"
      ? new Error("openssl is not installed, and the certificates need it.")
      : error;
  });
}
