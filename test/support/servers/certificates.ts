import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { need } from "./found.ts";

export interface Certificates {
  /** Files in PEM. */
  authority: string;
  certificate: string;
  key: string;
}

const run = promisify(execFile);

/** Makes an authority and a certificate of 127.0.0.1 in a folder, good for a day. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): Promise<unknown> => run(need("openssl"), args);
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...curve,
    "-days",
    "1",
    "-subj",
    "/CN=A campus",
    "-keyout",
    at("authority.key"),
    "-out",
    at("authority.pem"),
  );
  await openssl(
    "req",
    ...curve,
    "-subj",
    "/CN=127.0.0.1",
    "-keyout",
    at("server.key"),
    "-out",
    at("server.csr"),
  );
  await writeFile(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  await openssl(
    "x509",
    "-req",
    "-days",
    "1",
    "-in",
    at("server.csr"),
    "-extfile",
    at("names"),
    "-out",
    at("server.pem"),

    "-CA",
    at("authority.pem"),
    "-CAkey",
    at("authority.key"),
    "-CAcreateserial",
  );
  return { authority: at("authority.pem"), certificate: at("server.pem"), key: at("server.key") };
}
